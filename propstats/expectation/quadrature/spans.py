"""The smooth spans of an activation that may be infinite at some points, and what it is close to their ends."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from propstats.activations.activation import Activation
from propstats.activations.compile import compiled
from propstats.activations.derivative import differentiate
from propstats.activations.expression import Expr, evaluate
from propstats.activations.namespaces import float_namespace
from propstats.expectation.rounding import Rounded, rounded_namespace
from propstats.expectation.singularities import near, parts_of

#: A function of x and the parameters that returns phi(x) and phi'(x).
_Both = Callable[..., tuple[Any, Any]]
#: What grows by less than the factor between these distances from a point is left to panels that know nothing of it.
_FAR, _CLOSE, _FACTOR = 1e-2, 1e-6, 2.0


@dataclass(frozen=True, slots=True)
class Formulas:
    """phi and phi' in x, or in the distance of x from a point, with their parameters put in.

    Args:
        both: phi and phi' of an array.
        rounding: What rounding may do to phi and to phi' at a number; infinity where they have no value.
    """

    both: Callable[[Any], tuple[Any, Any]]
    rounding: Callable[[float], tuple[float, float]]

    @property
    def is_rough(self) -> bool:
        """Whether one of them seems to grow without bound close to the point."""
        with np.errstate(all="ignore"):
            close, far = (np.abs(self.both(np.array([x]))) for x in (_CLOSE, _FAR))
        return not bool((close <= _FACTOR * far).all())


@dataclass(frozen=True, slots=True)
class Span:
    """A smooth part of an activation.

    Args:
        low: Where it begins; minus infinity for the first one.
        high: Where it ends.
        inside: phi and phi' there.
        ends: Those in the distance from the ends at which they may be infinite, by 1 for the low one and -1 for the
            high one.
    """

    low: float
    high: float
    inside: Formulas
    ends: Mapping[int, Formulas]


def spans_of(activation: Activation, compile_both: Callable[[Expr, Expr], _Both]) -> tuple[Span, ...]:
    """Return the spans of an activation that is infinite somewhere, or whose slope is; of any other none.

    Args:
        activation: The activation; one whose kinks are not certainly all has none.
        compile_both: Turns phi and phi' into a function of arrays.
    """
    parts = parts_of(activation.pieces, activation.params) if activation.is_settled else ()
    if not any(part.ends for part in parts):
        return ()
    params, names = tuple(activation.params.values()), ["x", *activation.params]

    def formulas(phi: Expr, slope: Expr) -> Formulas:
        both, rounded = compile_both(phi, slope), compiled([phi, slope], names, rounded_namespace())

        def rounding(x: float) -> tuple[float, float]:
            f, d = rounded(Rounded(x), *map(Rounded, params))
            return f.error, d.error

        return Formulas(lambda x: both(x, *params), cache(rounding))

    found = []
    for part in parts:
        phi = part.piece.formula
        slope = differentiate(phi, "x")
        ends = {side: formulas(near(phi, point, side), near(slope, point, side)) for point, side in part.ends}
        low, high = (_place(end, activation.params, side) for end, side in ((part.piece.low, -1), (part.piece.high, 1)))
        found.append(Span(low, high, formulas(phi, slope), ends))
    return tuple(found) if any(end.is_rough for span in found for end in span.ends.values()) else ()


def _place(end: Expr | None, params: Mapping[str, float], side: int) -> float:
    return side * math.inf if end is None else float(evaluate(end, params, float_namespace()))
