"""From averages to quantities: every quantity is a smooth function of six averages, known with their covariance."""

import math
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from propstats.activations.compile import compiled
from propstats.activations.derivative import differentiate
from propstats.activations.expression import Expr, substitute, symbols_of
from propstats.activations.namespaces import float_namespace
from propstats.activations.syntax import parse
from propstats.expectation.moments import BASE, derived_formulas, needs

Array = NDArray[np.float64]

#: What is averaged over `x = mu + s z`: y, d, z phi', y^2, d^2 and z phi' y, with `y = phi(x) - shift` and
#: `d = phi'(x) - slope_shift`.
AVERAGED = ("y", "d", "zd", "yy", "dd", "zdy")
#: Those of them that need no slope.
VALUES = ("y", "yy")
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
    """The six averages and what is wrong with them.

    Args:
        mean: Their values, in the order of `AVERAGED`; shape (6,).
        covariance: Covariance of their errors; shape (6, 6).
        unseen: What the samples cannot have seen of each; shape (6,).
        rounding: Bound on the rounding of each; shape (6,).
    """

    mean: Array
    covariance: Array
    unseen: Array
    rounding: Array


def is_of_values(names: Iterable[str]) -> bool:
    """Whether these quantities need no slope.

    >>> is_of_values(["mean", "gain"]), is_of_values(["jacobian_factor"])
    (True, False)
    """
    base = {base for name in names for base in needs(name)}
    return not any(symbols_of(_base_formulas()[name]) & (set(AVERAGED) - set(VALUES)) for name in base)


def quantities(
    averages: Averages, known: Mapping[str, float], names: Collection[str] | None = None
) -> dict[str, tuple[float, float]]:
    """Return quantities with their standard errors, by the delta method; NaN where the samples cannot tell.

    The delta method takes a formula for straight. How far it is not, within three standard errors in the direction that
    moves it and along the axes of what the averages do, is added to the error; so are what the samples cannot have
    seen and the rounding.

    Args:
        averages: The averages and their errors.
        known: A value for each name in `KNOWN`.
        names: Which quantities; all if none are named.
    """
    constants = [known[name] for name in KNOWN]
    asked = None if names is None else {base for name in names for base in needs(name)} | set(names)
    functions = {name: both for name, both in _functions().items() if asked is None or name in asked}
    gradients = np.array(
        [_floats(gradient, averages.mean, constants, len(AVERAGED)) for _, gradient in functions.values()]
    ).reshape(-1, len(AVERAGED))
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        # Where the averages go, in one standard error of the result.
        spread = gradients @ averages.covariance
        size = np.abs(gradients)
        # In sums that cancel, the rounding of the covariance may be all that is left.
        left = 8 * _EPS * ((size @ np.abs(averages.covariance)) * size).sum(axis=1)
        deviations = np.sqrt(np.maximum((spread * gradients).sum(axis=1), 0.0) + left)
        steps = np.where(deviations[:, None] > 0, 3.0 * spread / deviations[:, None], 0.0)
        roundings = size @ averages.rounding
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
    unsteady = {name for name in _POSITIVE if name in found and not found[name][1] <= found[name][0] / 3}
    for name, formula in derived_formulas().items():
        if name in found and symbols_of(formula) & unsteady:
            found[name] = _UNDEFINED
    return found if names is None else {name: found[name] for name in names}


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
def _base_formulas() -> Mapping[str, Expr]:
    """Return the base moments as formulas in the averages and what is known."""
    return {name: parse(_BASE_FROM_AVERAGES[name], {*AVERAGED, *KNOWN}) for name in BASE}


@cache
def _functions() -> Mapping[str, tuple[_Function, _Function]]:
    """Return every quantity as a function of the averages and what is known, with its gradient in the averages."""
    names = (*AVERAGED, *KNOWN)
    formulas = dict(_base_formulas())
    formulas |= {name: substitute(formula, formulas) for name, formula in derived_formulas().items()}
    return {
        name: (
            compiled([formula], names, float_namespace()),
            compiled([differentiate(formula, average) for average in AVERAGED], names, float_namespace()),
        )
        for name, formula in formulas.items()
    }
