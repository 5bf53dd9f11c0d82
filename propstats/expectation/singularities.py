"""Points at which a formula or its slope may be infinite, and formulas written in the distance from such a point."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from propstats.activations.derivative import differentiate
from propstats.activations.expression import (
    ZERO,
    Call,
    Expr,
    Number,
    Symbol,
    call,
    evaluate,
    map_args,
    substitute,
    symbols_of,
)
from propstats.activations.namespaces import float_namespace
from propstats.activations.pieces import Piece
from propstats.activations.polynomial import canonical

#: What rounding leaves of a number that is 0.
_NOTHING = 1e-12
#: Higher powers are not multiplied out.
_LARGEST_POWER = 8


@dataclass(frozen=True, slots=True)
class Part:
    """A smooth formula on an interval.

    Args:
        piece: The formula and the interval.
        ends: The ends at which the formula or its slope may be infinite, with 1 if it begins there and -1 if it ends.
    """

    piece: Piece
    ends: tuple[tuple[Expr, int], ...] = ()


def parts_of(pieces: Sequence[Piece], params: Mapping[str, float]) -> tuple[Part, ...]:
    """Cut the pieces of a formula where it may be infinite inside, and mark the ends where it may be.

    Only points that are zeros of something linear in x are found, or kinks: these are known exactly.

    >>> from propstats.activations.pieces import pieces
    >>> from propstats.activations.syntax import parse
    >>> [len(part.ends) for part in parts_of(pieces(parse("log(x**2) + abs(x - 1)", {"x"}), {}), {})]
    [1, 1, 0]
    """
    found: list[Part] = []
    for piece in pieces:
        critical = list(_critical(piece.formula, set()))
        if not critical:
            found.append(Part(piece))
            continue
        low, high = (None if end is None else _value(end, params) for end in (piece.low, piece.high))
        inside = {}
        for point in (zero for part in critical for zero in _zeros(part, params)):
            value = _value(point, params)
            if (low is None or value > low) and (high is None or value < high) and _vanishes(critical, value, params):
                inside[value] = point
        edges = [piece.low, *(inside[value] for value in sorted(inside)), piece.high]
        singular = [end for end in edges if end is not None and _vanishes(critical, _value(end, params), params)]
        for start, stop in pairwise(edges):
            sides = ((start, 1), (stop, -1))
            ends = tuple((end, side) for end, side in sides if end is not None and end in singular)
            found.append(Part(Piece(start, stop, piece.formula), ends))
    return tuple(found)


def near(formula: Expr, point: Expr, side: int) -> Expr:
    """Write a formula in the distance x from a point, on one side of it.

    What is polynomial is multiplied out, so that what cancels at the point does so exactly.

    >>> from propstats.activations.syntax import parse, str_of
    >>> str_of(near(parse("log(1/3 - x) + x", {"x"}), parse("1/3", set()), -1))
    'log(x) + 1/3 - x'
    """
    there = call("add" if side > 0 else "sub", point, Symbol("x"))

    def rewrite(node: Expr) -> Expr:
        if "x" not in symbols_of(node):
            return node
        if _is_polynomial(node):
            return canonical(substitute(node, {"x": there}))
        return map_args(rewrite, node)

    return rewrite(formula)


def _critical(expr: Expr, seen: set[int]) -> Iterator[Expr]:
    """Yield what is 0 where the formula or its slope may be infinite."""
    # Derivatives share subtrees with what they came from; each is searched once.
    if not isinstance(expr, Call) or id(expr) in seen:
        return
    seen.add(id(expr))
    for arg in expr.args:
        yield from _critical(arg, seen)
    match expr:
        case Call("log" | "sqrt", (u,)) | Call("div", (_, u)):
            is_smooth = False
        case Call("log1p", (v,)):
            u, is_smooth = call("add", v, Number.of(1.0)), False
        case Call("pow", (u, exponent)):
            is_smooth = isinstance(exponent, Number) and exponent.value >= 0 and exponent.value.denominator == 1
        case _:
            return
    if not is_smooth and "x" in symbols_of(u):
        yield u


def _zeros(expr: Expr, params: Mapping[str, float]) -> Iterator[Expr]:
    """Yield the zeros of all that is linear in x inside a formula."""
    if not isinstance(expr, Call | Symbol) or "x" not in symbols_of(expr):
        return
    # What is no polynomial is not linear either, and its derivative may be long.
    rate = differentiate(expr, "x") if _is_polynomial(expr) else Symbol("x")
    if "x" not in symbols_of(rate):
        if _value(rate, params):
            yield call("neg", call("div", substitute(expr, {"x": ZERO}), rate))
    elif isinstance(expr, Call):
        for arg in expr.args:
            yield from _zeros(arg, params)


def _vanishes(critical: Sequence[Expr], x: float, params: Mapping[str, float]) -> bool:
    return any(abs(_value(expr, {**params, "x": x})) <= _NOTHING * (1.0 + abs(x)) for expr in critical)


def _value(expr: Expr, symbols: Mapping[str, float]) -> float:
    """Evaluate in floats; NaN where that fails."""
    try:
        return float(evaluate(expr, symbols, float_namespace()))
    except (ValueError, OverflowError, ZeroDivisionError):
        return float("nan")


def _is_polynomial(expr: Expr) -> bool:
    """Whether a formula is a polynomial in x of a small degree."""
    match expr:
        case Call("add" | "sub" | "mul" | "neg", args):
            return all(map(_is_polynomial, args))
        case Call("div", (u, v)):
            return _is_polynomial(u) and "x" not in symbols_of(v)
        case Call("pow", (u, Number(value))):
            return value.denominator == 1 and 0 <= value <= _LARGEST_POWER and _is_polynomial(u)
        case Call():
            return "x" not in symbols_of(expr)
        case _:
            return True
