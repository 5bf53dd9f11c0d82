"""An activation as the quadrature sees it: smooth branches, compiled, and how fast they change."""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

import numpy as np

from propstats.activations.activation import Activation
from propstats.activations.compile import compiled
from propstats.activations.derivative import differentiate
from propstats.activations.expression import Expr, Namespace
from propstats.activations.namespaces import numpy_namespace
from propstats.activations.pieces import Piece
from propstats.expectation.quadrature.existence import undefined_moments
from propstats.expectation.quadrature.scales import Feature, Scale, degree_of, features_of, scales_at, value_of
from propstats.expectation.quadrature.spans import Span, spans_of
from propstats.expectation.rounding import Rounded, evaluate_rounded

#: A function of x and the parameters that returns phi(x) and phi'(x); a number where that does not depend on x.
Both = Callable[..., tuple[Any, Any]]
#: Exponents of powers that are no worse as products: higher ones lose more digits.
_PRODUCTS = frozenset(map(float, range(2, 9)))


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


@dataclass(frozen=True, slots=True, eq=False)
class Branches:
    """The smooth branches of an activation between its kinks, in ascending order.

    Args:
        whole: phi and phi', all branches in one.
        parts: phi and phi' on each branch.
        ends: The kinks as formulas in the parameters.
        features: On each branch, the functions that are no polynomials.
        degrees: The degree of each branch that is a polynomial, infinity for the others.
        params: The parameters.
        is_settled: Whether there are certainly no other kinks.
        is_steep: Whether it grows faster than in proportion to x.
        undefined: The moments that do not exist under any Gaussian.
        spans: Its smooth spans, if phi or phi' may be infinite at some points.
        kinks: The kinks for these parameters.
        suspects: Where there may be kinks, if not all are certain.
        scales: How fast each branch changes, for these parameters.
    """

    whole: Both
    parts: tuple[Both, ...]
    ends: tuple[Expr, ...]
    features: tuple[tuple[Feature, ...], ...]
    degrees: tuple[float, ...]
    params: Mapping[str, float]
    is_settled: bool
    is_steep: bool
    undefined: frozenset[str]
    spans: tuple[Span, ...]
    kinks: tuple[Kink, ...]
    suspects: tuple[float, ...]
    scales: tuple[Scale, ...]

    def centres(self) -> Iterator[tuple[float, float]]:
        """Yield where something happens besides the kinks, and on which length."""
        for feature in {feature for found in self.features for feature in found}:
            rate, offset = (float(value_of(e, self.params)) for e in (feature.rate, feature.offset))
            if 0.0 < abs(rate) < math.inf and math.isfinite(offset / rate):
                yield -offset / rate, 1 / abs(rate)


def branches(activation: Activation) -> Branches:
    """Return the compiled branches of an activation; they are kept.

    >>> from propstats.activations import activation
    >>> relu = branches(activation("relu"))
    >>> [part(2.0) for part in relu.parts], relu.kinks[0].at
    ([(0.0, 0.0), (2.0, 1.0)], 0.0)
    """
    return _branches(activation.text, tuple(activation.params.items()))


@cache
def _namespace() -> Namespace:
    """Functions on arrays, with powers as products."""
    return {**numpy_namespace(), "pow": power}


def power(u: Any, exponent: Any) -> Any:
    """Return a power; the whole ones that numpy would take thirty times as long for are products.

    >>> power(np.array([-2.0, 3.0]), 5.0).tolist()
    [-32.0, 243.0]
    """
    if not (isinstance(exponent, float) and exponent in _PRODUCTS):
        return u**exponent
    square = u * u
    result = square if exponent % 2 == 0 else square * u
    for _ in range(int(exponent) // 2 - 1):
        result = result * square
    return result


@lru_cache(maxsize=512)
def _branches(text: str, items: tuple[tuple[str, float], ...]) -> Branches:
    params = dict(items)
    activation = Activation("", text, params)
    settled = activation.is_settled
    pieces = activation.pieces if settled else (Piece(None, None, activation.formula),)
    names = ("x", *params)

    def both(formula: Expr, slope: Expr) -> Both:
        return compiled([formula, slope], names, _namespace())

    parts = tuple(both(piece.formula, differentiate(piece.formula, "x")) for piece in pieces)
    ends = tuple(piece.low for piece in pieces if piece.low is not None)
    features = tuple(tuple(features_of(piece.formula)) for piece in pieces)
    degrees = tuple(degree_of(piece.formula) for piece in pieces)
    whole = both(activation.formula, activation.slope_formula)
    kinks = kinks_at(parts, ends, params)
    scales = scales_at(features, [kink.at for kink in kinks], params)
    steep, undefined = _is_steep(whole, params), undefined_moments(activation)
    spans = spans_of(activation, both)
    suspects = () if settled else activation.kinks
    return Branches(
        whole, parts, ends, features, degrees, params, settled, steep, undefined, spans, kinks, suspects, scales
    )


def _is_steep(whole: Both, params: Mapping[str, float]) -> bool:
    far = np.array([-1e3, 1e3])
    with np.errstate(all="ignore"):
        here, further = (np.abs(whole(factor * far, *params.values())[0]) for factor in (1, 2))
        return not bool((np.isfinite(further) & (further <= 3 * here)).all())


def kinks_at(parts: tuple[Both, ...], ends: tuple[Expr, ...], params: Mapping[str, Any]) -> tuple[Kink, ...]:
    """Return the kinks for some parameters, which may be arrays."""
    are_numbers = not any(isinstance(value, np.ndarray) for value in params.values())
    kinks = []
    for i, end in enumerate(ends):
        at, error = value_of(end, params), 0.0
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
