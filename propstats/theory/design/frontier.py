"""The frontier over (gamma, beta): what units with matched constants can have of stability, growth and nonlinearity."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from propstats.activations import Activation
from propstats.expectation import quadrature

Array = NDArray[np.float64]

_GAMMAS = (1 / 16, 8.0)
_BETAS = (-4.0, 4.0)  # in units of gamma
_GRID = 49
_ZOOMS = 4


@dataclass(frozen=True, slots=True)
class Point:
    """A unit with matched constants, and what a layer of it does.

    Args:
        gamma: Scale of the pre-activation.
        beta: Bias.
        growth: `J^2`, what a layer multiplies a gradient's mean square by.
        stability: `f'(1)`, below 1 where the variance is attracted to 1.
        nonlinear_share: Share of the output's variance that is not linear in the input.
    """

    gamma: float
    beta: float
    growth: float
    stability: float
    nonlinear_share: float


def most_nonlinear(activation: Activation, growth: float, *, stability: float = 1.0) -> Point | None:
    """Return the unit that keeps most of its nonlinearity at a growth and a stability that are not to be exceeded.

    Found on a grid over gamma in [1/16, 8] and beta in [-4, 4] gamma, zoomed in on four times; None if nothing there is
    calm and stable enough.

    Args:
        activation: phi.
        growth: Largest growth of a gradient's mean square in a layer; above 1.
        stability: Largest stability slope, in absolute value.

    >>> from propstats.activations import activation
    >>> point = most_nonlinear(activation("relu"), 1.12016829)  # bias gamma: J^2 = 1.1201682909...
    >>> point.gamma, round(point.beta, 3), round(point.stability, 3)
    (1.0, 1.0, 0.771)
    """
    log_gamma, ratio = (math.log(_GAMMAS[0]), math.log(_GAMMAS[1])), _BETAS
    if activation.is_homogeneous:
        log_gamma = (0.0, 0.0)  # gamma is only a unit in which beta is measured
    best: Point | None = None
    for _ in range(1 + _ZOOMS):
        found = [point for point in _grid(activation, log_gamma, ratio) if _allowed(point, growth, stability)]
        if not found:
            return best
        here = max(found, key=lambda point: point.nonlinear_share)
        if best is None or here.nonlinear_share > best.nonlinear_share:
            best = here
        log_gamma = _around(log_gamma, math.log(best.gamma))
        ratio = _around(ratio, best.beta / best.gamma)
    return best


def frontier(activation: Activation, growths: Array) -> list[Point]:
    """Return the most nonlinear stable units for several growths, those that exist."""
    points = (most_nonlinear(activation, float(growth)) for growth in growths)
    return [point for point in points if point is not None]


def _grid(activation: Activation, log_gamma: tuple[float, float], ratio: tuple[float, float]) -> list[Point]:
    columns = _GRID if log_gamma[0] < log_gamma[1] else 1
    gammas, ratios = np.meshgrid(np.exp(np.linspace(*log_gamma, columns)), np.linspace(*ratio, _GRID))
    gamma, beta = gammas.ravel(), (gammas * ratios).ravel()
    found = quadrature.values(activation, beta, gamma)
    with np.errstate(divide="ignore", invalid="ignore"):
        var = found["var"]
        growth = gamma**2 * found["slope_second_moment"] / var
        stable = found["var_rate"] / var
        bent = 1.0 - gamma**2 * found["linear_slope"] ** 2 / var
    known = np.isfinite(growth) & np.isfinite(stable) & np.isfinite(bent)
    rows = np.stack([gamma, beta, growth, stable, bent], axis=1)[known]
    return [Point(*row) for row in rows.tolist()]


def _allowed(point: Point, growth: float, stability: float) -> bool:
    # By Poincare's inequality nothing is below 1 but rounding, where next to nothing of the activation is left.
    return 1.0 <= point.growth <= growth and abs(point.stability) <= stability


def _around(interval: tuple[float, float], centre: float) -> tuple[float, float]:
    """Return a sixth of an interval about a point."""
    half = (interval[1] - interval[0]) / 12
    return centre - half, centre + half
