"""From averages to quantities: every quantity is a smooth function of averages, known with their covariance."""

import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from propstats.activations.compile import compiled
from propstats.activations.derivative import differentiate
from propstats.activations.expression import ZERO, Expr, substitute, symbols_of
from propstats.activations.namespaces import float_namespace
from propstats.activations.syntax import parse
from propstats.errors import unknown_name
from propstats.expectation.moments import BASE, derived_formulas

Array = NDArray[np.float64]

#: What is averaged over `x = mu + s z`: y, y^2, d, d^2, z phi' and z phi' y, with `y = phi(x) - shift` and
#: `d = phi'(x) - slope_shift`.
AVERAGED = ("y", "yy", "d", "dd", "zd", "zdy")
#: Those of them that do without the slope.
OF_VALUES = AVERAGED[:2]
#: What is known exactly: the shifts, and what samples miss of phi' where phi jumps.
KNOWN = ("s", "shift", "slope_shift", "jump_slope", "jump_rate0", "jump_rate1")
_BASE_FROM_AVERAGES: Mapping[str, str] = {
    "mean": "shift + y",
    "second_moment": "yy + 2*shift*y + shift**2",
    "var": "yy - y**2",
    "mean_slope": "slope_shift + d",
    "slope_second_moment": "dd + 2*slope_shift*d + slope_shift**2",
    "linear_slope": "slope_shift + d + jump_slope",
    "var_rate": "s*(zdy - y*zd) + jump_rate0 - y*jump_rate1",
}
#: What derived quantities divide by or take the root of.
_POSITIVE = ("second_moment", "var", "slope_second_moment")
_EPS = float(np.finfo(float).eps)
_UNDEFINED = (math.nan, math.inf)

_Function = Callable[..., tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Averages:
    """The first k averages and what is wrong with them.

    Args:
        mean: Their values, in the order of `AVERAGED`; shape (k,).
        covariance: Covariance of their errors; shape (k, k).
        unseen: What the samples cannot have seen of each; shape (k,).
        rounding: Bound on the rounding of each; shape (k,).
        precision: How precise the covariance is, relative to the products it is made of.
    """

    mean: Array
    covariance: Array
    unseen: Array
    rounding: Array
    precision: float


def averages_for(names: Collection[str]) -> tuple[str, ...]:
    """Return what has to be averaged for some quantities.

    Raises:
        UnknownNameError: If there is no such quantity.

    >>> averages_for({"mean", "var"})
    ('y', 'yy')
    """
    formulas = _formulas()
    for name in names:
        if name not in formulas:
            raise unknown_name("quantity", name, sorted(formulas))
    needed = {symbol for name in names for symbol in symbols_of(formulas[name])}
    return OF_VALUES if needed.isdisjoint(AVERAGED[len(OF_VALUES) :]) else AVERAGED


def quantities(
    averages: Averages, known: Mapping[str, float], names: Collection[str]
) -> dict[str, tuple[float, float]]:
    """Return quantities with their standard errors, by the delta method; NaN where the samples cannot tell.

    The delta method takes a formula for straight. How far it is not, within three standard errors in the direction that
    moves it and along the axes of what the averages do, is added to the error; so are what the samples cannot have
    seen and the rounding.

    Args:
        averages: The averages and their errors.
        known: A value for each name in `KNOWN`.
        names: The quantities.
    """
    constants = [known[name] for name in KNOWN]
    size = len(averages.mean)
    wanted = dict.fromkeys([*names, *(divisor for name in names for divisor in _divisors(name))])
    functions = {name: _function(name, size) for name in wanted}
    gradients = np.array(
        [_floats(gradient, averages.mean, constants, size) for _, gradient in functions.values()]
    ).reshape(-1, size)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        # Where the averages go, in one standard error of the result.
        spread = gradients @ averages.covariance
        steep = np.abs(gradients)
        # In sums that cancel, the rounding of the covariance may be all that is left.
        left = averages.precision * ((steep @ np.abs(averages.covariance)) * steep).sum(axis=1)
        deviations = np.sqrt(np.maximum((spread * gradients).sum(axis=1), 0.0) + left)
        steps = np.where(deviations[:, None] > 0, 3.0 * spread / deviations[:, None], 0.0)
        roundings = steep @ averages.rounding
    axes = _axes(averages.covariance)
    found = {}
    for k, (name, (function, _)) in enumerate(functions.items()):
        points = (averages.mean, averages.mean + averages.unseen, averages.mean + steps[k], averages.mean - steps[k])
        value, seen, up, down = (_floats(function, point, constants, 1)[0] for point in points)
        deviation = float(deviations[k])
        bend = max(abs(up - value - 3.0 * deviation), abs(down - value + 3.0 * deviation))
        # Where the averages go most the result may stand still, but for what is bent.
        ends = [_floats(function, averages.mean + axis, constants, 1)[0] for axis in axes]
        bend = math.hypot(bend, *((a + b) / 2 - value for a, b in zip(ends[::2], ends[1::2], strict=True)))
        # The formulas themselves are rounded once more.
        error = math.hypot(deviation, bend, seen - value, float(roundings[k]) + 4 * _EPS * abs(value))
        found[name] = (value, error) if math.isfinite(error) and math.isfinite(value) else _UNDEFINED
    # Roots and ratios of averages that a handful of rare samples dominate have no standard error.
    steady = {name for name, (value, error) in found.items() if error <= value / 3}
    return {name: found[name] if steady.issuperset(_divisors(name)) else _UNDEFINED for name in names}


def _axes(covariance: Array) -> list[Array]:
    """Return three standard errors, there and back, along each principal axis of the errors of the averages."""
    if not np.isfinite(covariance).all():
        return []
    # Scaled, as the averages may differ by many orders of magnitude.
    scale = np.sqrt(np.maximum(covariance.diagonal(), 0.0))
    scale[scale == 0.0] = 1.0
    values, vectors = np.linalg.eigh(covariance / np.outer(scale, scale))
    steps = 3.0 * np.sqrt(np.maximum(values, 0.0)) * vectors
    return [side * scale * step for step in steps.T for side in (1.0, -1.0)]


def _floats(function: _Function, point: Array, constants: list[float], size: int) -> tuple[float, ...]:
    try:
        return function(*point.tolist(), *constants)
    except (ZeroDivisionError, ValueError, OverflowError):
        return (math.nan,) * size


@cache
def _formulas() -> Mapping[str, Expr]:
    """Return every quantity as a formula in the averages and what is known."""
    base = {name: parse(_BASE_FROM_AVERAGES[name], {*AVERAGED, *KNOWN}) for name in BASE}
    return base | {name: substitute(formula, base) for name, formula in derived_formulas().items()}


@cache
def _divisors(name: str) -> tuple[str, ...]:
    needed = symbols_of(derived_formulas().get(name, ZERO))
    return tuple(moment for moment in _POSITIVE if moment in needed)


@cache
def _function(name: str, size: int) -> tuple[_Function, _Function]:
    """Return a quantity as a function of the first averages and what is known, with its gradient in the averages."""
    formula, names = _formulas()[name], (*AVERAGED[:size], *KNOWN)
    gradient = [differentiate(formula, average) for average in AVERAGED[:size]]
    return compiled([formula], names, float_namespace()), compiled(gradient, names, float_namespace())
