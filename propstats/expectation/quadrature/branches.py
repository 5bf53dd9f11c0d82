"""An activation as the quadrature sees it: smooth branches, compiled, and how fast they change."""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from propstats.activations.activation import Activation
from propstats.activations.compile import compiled
from propstats.activations.expression import ZERO, Call, Expr, Number, differentiate, evaluate, substitute, symbols_of
from propstats.activations.namespaces import numpy_namespace
from propstats.activations.pieces import Piece
from propstats.expectation.rounding import Rounded, evaluate_rounded

#: A function of x and the parameters that returns phi(x) and phi'(x); a number where that does not depend on x.
Both = Callable[..., tuple[Any, Any]]

#: How far from the real line (of 1/u and its like: from where u should be) the nearest singularity of a function is.
_SINGULAR = {
    **dict.fromkeys(("tanh", "sech2", "tanhshrink"), math.pi / 2),
    **dict.fromkeys(("sigmoid", "softplus"), math.pi),
    **dict.fromkeys(("atan", "asinh", "log", "log1p", "sqrt", "div", "pow"), 1.0),
}
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
class Kink:
    """A kink with phi and phi' on either side; all but the error may be arrays, if a parameter is one.

    Args:
        at: Where it is.
        error: How far that may be off by rounding.
        below: phi and phi' just below it.
        above: phi and phi' just above it.
        jump: phi(k+) - phi(k-), or 0 where that may be rounding.
    """

    at: Any
    error: float
    below: tuple[Any, Any]
    above: tuple[Any, Any]
    jump: Any


@dataclass(frozen=True, slots=True)
class Feature:
    """A function of `rate*x + offset`, or of something that is like it at x = 0 but for its second derivative."""

    function: str
    rate: Expr
    offset: Expr
    bend: Expr


@dataclass(frozen=True, slots=True)
class Branches:
    """The smooth branches of an activation between its kinks, in ascending order.

    Args:
        whole: phi and phi', all branches in one.
        parts: phi and phi' on each branch.
        ends: The kinks as formulas in the parameters.
        features: On each branch, the functions that are no polynomials.
        params: The parameters.
        is_settled: Whether there are certainly no other kinks.
        kinks: The kinks for these parameters.
        scales: How fast each branch changes, for these parameters.
    """

    whole: Both
    parts: tuple[Both, ...]
    ends: tuple[Expr, ...]
    features: tuple[tuple[Feature, ...], ...]
    params: Mapping[str, float]
    is_settled: bool
    kinks: tuple[Kink, ...]
    scales: tuple[Scale, ...]

    def centres(self) -> Iterator[tuple[float, float]]:
        """Yield where something happens besides the kinks, and on which length."""
        for feature in {feature for found in self.features for feature in found}:
            rate, offset = (float(evaluate(e, self.params, numpy_namespace())) for e in (feature.rate, feature.offset))
            if rate != 0.0 and math.isfinite(offset / rate):
                yield -offset / rate, 1 / abs(rate)


def branches(activation: Activation) -> Branches:
    """Return the compiled branches of an activation; they are kept.

    >>> from propstats.activations import activation
    >>> relu = branches(activation("relu"))
    >>> [part(2.0) for part in relu.parts], relu.kinks[0].at
    ([(0.0, 0.0), (2.0, 1.0)], 0.0)
    """
    return _branches(activation.text, tuple(activation.params.items()))


@lru_cache(maxsize=512)
def _branches(text: str, items: tuple[tuple[str, float], ...]) -> Branches:
    params = dict(items)
    activation = Activation("", text, params)
    settled = activation.is_settled
    pieces = activation.pieces if settled else (Piece(None, None, activation.formula),)
    names = ("x", *params)

    def both(formula: Expr, slope: Expr) -> Both:
        return compiled([formula, slope], names, numpy_namespace())

    parts = tuple(both(piece.formula, differentiate(piece.formula, "x")) for piece in pieces)
    ends = tuple(piece.low for piece in pieces if piece.low is not None)
    features = tuple(tuple(_features(piece.formula)) for piece in pieces)
    whole = both(activation.formula, activation.slope_formula)
    kinks, scales = kinks_at(parts, ends, params), scales_at(features, params)
    return Branches(whole, parts, ends, features, params, settled, kinks, scales)


def kinks_at(parts: tuple[Both, ...], ends: tuple[Expr, ...], params: Mapping[str, Any]) -> tuple[Kink, ...]:
    """Return the kinks for some parameters, which may be arrays."""
    are_numbers = not any(isinstance(value, np.ndarray) for value in params.values())
    kinks = []
    for i, end in enumerate(ends):
        at, error = evaluate(end, params, numpy_namespace()), 0.0
        with np.errstate(all="ignore"):
            below, above = (part(np.asarray(at, dtype=float), *params.values()) for part in parts[i : i + 2])
        if are_numbers:
            at, *sides = map(float, (at, *below, *above))
            below, above = (sides[0], sides[1]), (sides[2], sides[3])
            error = evaluate_rounded(end, {name: Rounded(value) for name, value in params.items()}).error
        jump = above[0] - below[0]
        certain = abs(jump) > 1e-13 * (1.0 + abs(at) + abs(above[0]) + abs(below[0]))
        kinks.append(Kink(at, error, (below[0], below[1]), (above[0], above[1]), jump * certain))
    return tuple(kinks)


def scales_at(features: tuple[tuple[Feature, ...], ...], params: Mapping[str, Any]) -> tuple[Scale, ...]:
    """Return how fast each branch changes for some parameters, which may be arrays."""
    return tuple(_scale(found, params) for found in features)


def _scale(features: tuple[Feature, ...], params: Mapping[str, Any]) -> Scale:
    rate: Any = 0.0
    strip: Any = math.inf
    narrow: Any = 0.0
    for feature in features:
        own, bend = (abs(evaluate(e, params, numpy_namespace())) for e in (feature.rate, feature.bend))
        rate = np.maximum(rate, own)
        if feature.function in _SINGULAR:
            with np.errstate(divide="ignore"):
                strip = np.minimum(strip, _SINGULAR[feature.function] / np.asarray(own, dtype=float))
        else:
            narrow = np.maximum(narrow, np.maximum(_ENTIRE[feature.function] * own**2, bend))
    return Scale(*(number if np.ndim(number) else float(number) for number in (rate, strip, narrow)))


def _features(expr: Expr) -> Iterator[Feature]:
    """Yield the functions in a formula that are no polynomials."""
    if not isinstance(expr, Call):
        return
    for arg in expr.args:
        yield from _features(arg)
    inner = _inner(expr)
    if inner is None or "x" not in symbols_of(inner):
        return
    slope = differentiate(inner, "x")
    at_zero: Mapping[str, Expr] = {"x": ZERO}
    if "x" not in symbols_of(slope):
        yield Feature(expr.function, slope, substitute(inner, at_zero), ZERO)
        return
    bend = substitute(differentiate(slope, "x"), at_zero)
    half = Call("sqrt", (Call("abs", (Call("mul", (Number.of(0.5), bend)),)),))
    sharp = Call("add", (Call("abs", (substitute(slope, at_zero),)), half))
    yield Feature(expr.function, Call("div", (sharp, Number.of(_CAUTION))), ZERO, bend)


def _inner(expr: Call) -> Expr | None:
    """Return the argument of a function that is no polynomial in it."""
    if expr.function == "div":
        return expr.args[1]
    if expr.function == "pow":
        power = expr.args[1]
        is_whole = isinstance(power, Number) and power.value.denominator == 1 and power.value >= 0
        return None if is_whole else expr.args[0]
    return expr.args[0] if expr.function in _SINGULAR or expr.function in _ENTIRE else None
