"""How fast an activation changes, read off its formula: what decides how many nodes its integrals need."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from propstats.activations.derivative import differentiate
from propstats.activations.expression import ZERO, Call, Expr, Namespace, Number, evaluate, substitute, symbols_of
from propstats.activations.namespaces import numpy_namespace

#: How far from the real line (of 1/u and its like: from where u should be) the nearest singularity of a function is.
_SINGULAR = {
    **dict.fromkeys(("tanh", "sech2", "tanhshrink"), math.pi / 2),
    **dict.fromkeys(("sigmoid", "softplus"), math.pi),
    **dict.fromkeys(("atan", "asinh", "log", "log1p", "sqrt", "div", "pow"), 1.0),
}
#: Where the singularity of a function is, if it is on the real line: beside the branch, or it would be a kink. There it
#: does as little harm as one at this many times the distance above the middle of a panel.
_REAL = {"log1p": -1.0, **dict.fromkeys(("log", "sqrt", "div", "pow"), 0.0)}
_BESIDE = 2.9
#: No strip is narrower, for it is divided by.
_NARROWEST = 1e-100
#: Entire functions, with k if their squares and those of their slopes bend like `exp(-k u^2)`.
_ENTIRE = {"erf": 2.0, "Phi": 1.0, "phi": 1.0, "sin": 1.0, "cos": 1.0, "exp": 0.0, "expm1": 0.0}
#: A function of something that is not linear in x may be sharper elsewhere than it is at 0.
_CAUTION = 0.7


@dataclass(frozen=True, slots=True)
class Scale:
    """How fast a branch changes; each may be an array, if a parameter is one.

    Args:
        rate: The inverse of the length on which it changes; 0 for polynomials.
        strip: Half the width of the strip around the real line in which it has no singularity.
        narrow: k if its square bends like `exp(-k x^2)`.
    """

    rate: Any
    strip: Any
    narrow: Any


@dataclass(frozen=True, slots=True)
class Feature:
    """A function of `rate*x + offset`, or of something that is like it at x = 0 but for its second derivative."""

    function: str
    rate: Expr
    offset: Expr
    bend: Expr
    is_linear: bool


@cache
def _namespace() -> Namespace:
    """Functions on numbers and arrays that divide by 0 without an exception."""
    return {**numpy_namespace(), "number": np.float64}


def value_of(expr: Expr, params: Mapping[str, Any]) -> Any:
    """Evaluate a formula in the parameters; infinite or NaN where it has no value."""
    with np.errstate(all="ignore"):
        return evaluate(expr, params, _namespace())


def scales_at(
    features: tuple[tuple[Feature, ...], ...], ends: Sequence[Any], params: Mapping[str, Any]
) -> tuple[Scale, ...]:
    """Return how fast each branch changes.

    Args:
        features: The functions on each branch.
        ends: The kinks between the branches, numbers or arrays.
        params: The parameters, numbers or arrays.
    """
    lows, highs = (-math.inf, *ends), (*ends, math.inf)
    return tuple(_scale(*branch, params) for branch in zip(features, lows, highs, strict=True))


def _scale(features: tuple[Feature, ...], low: Any, high: Any, params: Mapping[str, Any]) -> Scale:
    rate: Any = 0.0
    strip: Any = math.inf
    narrow: Any = 0.0
    for feature in features:
        own, bend = (abs(value_of(e, params)) for e in (feature.rate, feature.bend))
        rate = np.maximum(rate, own)
        if feature.is_linear and feature.function in _REAL:
            with np.errstate(all="ignore"):
                u = value_of(feature.offset, params) - _REAL[feature.function]
                at = -u / np.asarray(value_of(feature.rate, params), dtype=float)
                strip = np.minimum(strip, _BESIDE * np.maximum(np.maximum(low - at, at - high), 0.0))
        elif feature.function in _SINGULAR:
            with np.errstate(divide="ignore"):
                strip = np.minimum(strip, _SINGULAR[feature.function] / np.asarray(own, dtype=float))
        else:
            with np.errstate(invalid="ignore"):
                narrow = np.maximum(narrow, np.maximum(_ENTIRE[feature.function] * own**2, bend))
    strip = np.maximum(strip, _NARROWEST)
    return Scale(*(number if np.ndim(number) else float(number) for number in (rate, strip, narrow)))


def features_of(expr: Expr) -> Iterator[Feature]:
    """Yield the functions in a formula that are no polynomials."""
    if not isinstance(expr, Call):
        return
    for arg in expr.args:
        yield from features_of(arg)
    inner = _inner(expr)
    if inner is None or "x" not in symbols_of(inner):
        return
    slope = differentiate(inner, "x")
    at_zero: Mapping[str, Expr] = {"x": ZERO}
    if "x" not in symbols_of(slope):
        yield Feature(expr.function, slope, substitute(inner, at_zero), ZERO, True)
        return
    bend = substitute(differentiate(slope, "x"), at_zero)
    half = Call("sqrt", (Call("abs", (Call("mul", (Number.of(0.5), bend)),)),))
    sharp = Call("add", (Call("abs", (substitute(slope, at_zero),)), half))
    yield Feature(expr.function, Call("div", (sharp, Number.of(_CAUTION))), ZERO, bend, False)


def degree_of(expr: Expr) -> float:
    """Return the degree of a polynomial in x; infinity for anything else.

    >>> from propstats.activations.syntax import parse
    >>> [degree_of(parse(text, {"a", "x"})) for text in ("a*x*(x + 3)/6", "exp(a)", "exp(x)")]
    [2.0, 0.0, inf]
    """
    if "x" not in symbols_of(expr):
        return 0.0
    if not isinstance(expr, Call):
        return 1.0
    degrees = [degree_of(arg) for arg in expr.args]
    match expr.function, expr.args:
        case (("add" | "sub" | "neg"), _):
            return max(degrees)
        case "mul", _:
            return sum(degrees)
        case ("div", _) if degrees[1] == 0.0:
            return degrees[0]
        case "pow", (_, Number(value=power)) if power.denominator == 1 and power > 0:
            return degrees[0] * int(power)
        case _:
            return math.inf


def _inner(expr: Call) -> Expr | None:
    """Return the argument of a function that is no polynomial in it."""
    if expr.function == "div":
        return expr.args[1]
    if expr.function == "pow":
        power = expr.args[1]
        is_whole = isinstance(power, Number) and power.value.denominator == 1 and power.value >= 0
        return None if is_whole else expr.args[0]
    return expr.args[0] if expr.function in _SINGULAR or expr.function in _ENTIRE else None
