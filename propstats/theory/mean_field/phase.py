"""The phase diagram: what depth makes of signal and gradient, over the plane of weights and biases.

The moments of the activation depend on q alone, so that one curve in q gives the whole plane: `sigma_w^2 E[phi^2] +
sigma_b^2 = q` at every point of it. The curve is computed at 24 points a decade and interpolated.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from propstats.activations import Activation, activation
from propstats.errors import DomainError
from propstats.expectation.quadrature.rule import Array
from propstats.theory.mean_field.critical import CriticalPoint
from propstats.theory.mean_field.critical_line import Biases
from propstats.theory.mean_field.curves import Curves
from propstats.theory.mean_field.second_moment import SecondMomentMap

MAX_POINTS = 1_000
#: Standard deviations of the biases at which the critical weights are listed, relative to the largest.
_ROWS = (0.0, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)


@dataclass(frozen=True, slots=True)
class Shares:
    """Which part of the plane is what.

    Args:
        ordered: chi_1 < 1 at the fixed point that is reached: inputs become the same, gradients vanish.
        chaotic: chi_1 > 1: inputs part, gradients explode.
        vanishing: The signal tends to 0.
        none: The signal reaches no fixed point.
        several: There is more than one fixed point, so that it depends on where the signal starts. Counted besides.
    """

    ordered: float
    chaotic: float
    vanishing: float
    none: float
    several: float


@dataclass(frozen=True, slots=True)
class CriticalRow:
    """The critical weights at one standard deviation of the biases; none if there are none.

    Args:
        points: Where this row crosses the critical line.
    """

    sigma_b: float
    points: tuple[CriticalPoint, ...]


@dataclass(frozen=True, slots=True)
class PhaseDiagram:
    """Everything `propstats phase` prints and draws.

    Tables have a row for each sigma_b and a column for each sigma_w; NaN stands where there is nothing.

    Args:
        activation: Name of the activation.
        params: Its parameters.
        formula: Its formula.
        beta: Mean of the biases.
        q0: The second moment that a signal starts with.
        sigma_w: The columns.
        sigma_b: The rows.
        q_star: The fixed point that the signal reaches; infinite if it reaches none.
        chi_1: What a layer multiplies a gradient's second moment by there.
        xi_c: The number of layers in which correlations settle.
        count: How many fixed points there are, q = 0 not counted.
        error: How far q_star and chi_1 may be off, relative to themselves.
        depth_error: How far xi_c may be off.
        line: The stretches of the critical line.
        critical: Critical weights at some of the rows, exactly.
        shares: Which part of the plane is what.
    """

    activation: str
    params: Mapping[str, float]
    formula: str
    beta: float
    q0: float
    sigma_w: tuple[float, ...]
    sigma_b: tuple[float, ...]
    q_star: tuple[tuple[float, ...], ...]
    chi_1: tuple[tuple[float, ...], ...]
    xi_c: tuple[tuple[float, ...], ...]
    count: tuple[tuple[int, ...], ...]
    error: float
    depth_error: float
    line: tuple[tuple[CriticalPoint, ...], ...]
    critical: tuple[CriticalRow, ...]
    shares: Shares


def phase(
    act: str | Activation,
    *,
    sigma_w_max: float = 3.0,
    sigma_b_max: float = 1.0,
    beta: float = 0.0,
    q0: float = 1.0,
    points: int = 121,
    **params: float,
) -> PhaseDiagram:
    """Compute the phase diagram of wide, fully connected networks.

    Args:
        act: Name of an activation, or an activation.
        sigma_w_max: The largest standard deviation of the weights, times sqrt(fan_in).
        sigma_b_max: The largest standard deviation of the biases.
        beta: Mean of the biases.
        q0: The second moment (about beta) that pre-activations start with.
        points: Rows and columns.
        **params: Parameters of the activation.

    Raises:
        UnknownNameError: If the activation or a parameter is not known.
        DomainError: If a number is out of range, or the activation jumps or has no second moment.

    References:
        Poole et al. 2016, arXiv:1606.05340, Figure 1; Schoenholz et al. 2017, arXiv:1611.01232, Figure 1.

    >>> found = phase("tanh", points=21)
    >>> [(row.sigma_b, [round(point.sigma_w, 6) for point in row.points]) for row in found.critical][:3:2]
    [(0.0, [1.0]), (0.05, [1.122539])]
    """
    unit = activation(act, **params)
    for name, value in (("sigma_w_max", sigma_w_max), ("sigma_b_max", sigma_b_max), ("q0", q0)):
        if not 0.0 < value <= 1e3:
            raise DomainError(f"{name} must be a positive number up to 1000, got {value:g}")
    if not 2 <= points <= MAX_POINTS:
        raise DomainError(f"points must be between 2 and {MAX_POINTS}, got {points}")
    biases = Biases(unit, beta, sigma_b_max)
    sigma_w, sigma_b = np.linspace(0.0, sigma_w_max, points + 1)[1:], np.linspace(0.0, sigma_b_max, points)
    curves = Curves(SecondMomentMap(unit, 1.0, 0.0, beta), sigma_w_max, sigma_b_max, q0)
    q = np.empty((points, points))
    count = np.empty((points, points), dtype=int)
    for column, weight in enumerate(sigma_w.tolist()):
        q[:, column], count[:, column] = curves.reached(weight, sigma_b)
    chi_1 = curves.chi_1(sigma_w, q)
    xi_c = curves.xi_c(sigma_w, q, chi_1)
    found = np.isfinite(q)
    there = found & (q > 0.0)
    shares = Shares(
        ordered=_share(there & (chi_1 <= 1.0)),
        chaotic=_share(there & (chi_1 > 1.0)),
        vanishing=_share(found & (q == 0.0)),
        none=_share(~found),
        several=_share(count > 1),
    )
    rows = tuple(CriticalRow(share * sigma_b_max, biases.weights(share * sigma_b_max)) for share in _ROWS)
    return PhaseDiagram(
        activation=unit.name,
        params=unit.params,
        formula=unit.text,
        beta=beta,
        q0=q0,
        sigma_w=tuple(sigma_w.tolist()),
        sigma_b=tuple(sigma_b.tolist()),
        q_star=_table(q),
        chi_1=_table(chi_1),
        xi_c=_table(xi_c),
        count=tuple(tuple(row) for row in count.tolist()),
        error=curves.error,
        depth_error=curves.depth_error,
        line=biases.line(),
        critical=rows,
        shares=shares,
    )


def _share(where: "np.ndarray[tuple[int, ...], np.dtype[np.bool_]]") -> float:
    return float(where.mean())


def _table(values: Array) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(row) for row in values.tolist())
