"""From averages to quantities: every quantity is a smooth function of six averages, known with their covariance."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from propstats.activations.compile import compiled
from propstats.activations.expression import differentiate, parse, substitute
from propstats.activations.namespaces import float_namespace
from propstats.expectation.moments import BASE, derived_formulas

Array = NDArray[np.float64]

#: What is averaged over `x = mu + s z`: y, d, z phi', y^2, d^2 and z phi' y, with `y = phi(x) - shift` and
#: `d = phi'(x) - slope_shift`.
AVERAGED = ("y", "d", "zd", "yy", "dd", "zdy")
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


def quantities(averages: Averages, known: Mapping[str, float]) -> dict[str, tuple[float, float]]:
    """Return every quantity with its standard error, by the delta method; NaN where the samples cannot tell.

    The delta method takes a formula for straight. How far it is not, within three standard errors, is added
    to the error; so are what the samples cannot have seen and the rounding.

    Args:
        averages: The averages and their errors.
        known: A value for each name in `KNOWN`.
    """
    constants = [known[name] for name in KNOWN]
    functions = _functions()
    gradients = np.array(
        [_floats(gradient, averages.mean, constants, len(AVERAGED)) for _, gradient in functions.values()]
    )
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        # Where the averages go, in one standard error of the result.
        spread = gradients @ averages.covariance
        deviations = np.sqrt(np.maximum((spread * gradients).sum(axis=1), 0.0))
        steps = np.where(deviations[:, None] > 0, 3.0 * spread / deviations[:, None], 0.0)
        roundings = np.abs(gradients) @ averages.rounding
    found = {}
    for k, (name, (function, _)) in enumerate(functions.items()):
        points = (averages.mean, averages.mean + averages.unseen, averages.mean + steps[k], averages.mean - steps[k])
        value, seen, up, down = (_floats(function, point, constants, 1)[0] for point in points)
        deviation = float(deviations[k])
        bend = max(abs(up - value - 3.0 * deviation), abs(down - value + 3.0 * deviation))
        # The formulas themselves are rounded once more.
        error = math.hypot(deviation, bend, seen - value, float(roundings[k]) + 4 * _EPS * abs(value))
        found[name] = (value, error) if math.isfinite(error) and math.isfinite(value) else _UNDEFINED
    # Ratios of averages that a handful of rare samples dominate have no standard error.
    if not all(found[name][1] <= found[name][0] / 3 for name in ("var", "slope_second_moment")):
        return {name: pair if name in BASE else _UNDEFINED for name, pair in found.items()}
    return found


def _floats(function: _Function, point: Array, constants: list[float], size: int) -> tuple[float, ...]:
    try:
        return function(*point.tolist(), *constants)
    except (ZeroDivisionError, ValueError, OverflowError):
        return (math.nan,) * size


@cache
def _functions() -> Mapping[str, tuple[_Function, _Function]]:
    """Return every quantity as a function of the averages and what is known, with its gradient in the averages."""
    names = (*AVERAGED, *KNOWN)
    formulas = {name: parse(_BASE_FROM_AVERAGES[name], set(names)) for name in BASE}
    formulas |= {name: substitute(formula, formulas) for name, formula in derived_formulas().items()}
    return {
        name: (
            compiled([formula], names, float_namespace()),
            compiled([differentiate(formula, average) for average in AVERAGED], names, float_namespace()),
        )
        for name, formula in formulas.items()
    }
