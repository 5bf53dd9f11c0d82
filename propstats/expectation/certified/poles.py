"""Poles: points at which a formula grows like `1/|x - k|` or faster, so that no integral across them exists."""

import math
from collections.abc import Iterator, Mapping

from propstats.activations.derivative import differentiate
from propstats.activations.expression import ZERO, Call, Expr, Number, Symbol, evaluate
from propstats.activations.namespaces import float_namespace
from propstats.activations.pieces import branch_at

#: Functions that are 0 where their argument is, and grow at the same rate there.
_LIKE_THEIR_ARGUMENT = ("neg", "abs", "expm1", "log1p", "sin", "atan", "asinh", "tanh", "erf")
#: What rounding leaves of a value that is 0.
_NOTHING = 1e-12


def find_pole(formula: Expr, params: Mapping[str, float]) -> float | None:
    """Return a point at which a formula has a pole, or None where none was found.

    Looked for at the zeros of what is linear in x inside a denominator or below a negative power.

    >>> from propstats.activations.syntax import parse
    >>> find_pole(parse("x/(3 - 2*x)", {"x"}), {}), find_pole(parse("sin(x)/x + abs(x)**-0.5", {"x"}), {})
    (1.5, None)
    """
    for point in set(_candidates(formula, params, set(), is_below=False)):
        step = 1e-6 * (1.0 + abs(point))
        below, above = (branch_at(formula, near, params) for near in (point - step, point + step))
        for branch in (below,) if above is below else (below, above):
            order = _Orders(point, params).of(branch)
            if order is not None and order <= -1.0:
                return point
    return None


def _candidates(
    expr: Expr, params: Mapping[str, float], seen: set[tuple[int, bool]], *, is_below: bool
) -> Iterator[float]:
    # Derivatives share subtrees with what they came from; each is searched once.
    if (id(expr), is_below) in seen:
        return
    seen.add((id(expr), is_below))
    line = _line(expr, params) if is_below else None
    if line is not None and line[0]:
        yield -line[1] / line[0] + 0.0
    if line is not None or not isinstance(expr, Call):
        return
    for position, arg in enumerate(expr.args):
        is_denominator = expr.function == "div" and position == 1
        is_inverted = expr.function == "pow" and position == 0 and not _is_positive(expr.args[1])
        yield from _candidates(arg, params, seen, is_below=is_below or is_denominator or is_inverted)


def _line(expr: Expr, params: Mapping[str, float]) -> tuple[float, float] | None:
    """Return slope and offset of a formula that is linear in x, None of any other."""
    if not isinstance(expr, Call):
        return (1.0, 0.0) if expr == Symbol("x") else (0.0, evaluate(expr, params, float_namespace()))
    lines = [_line(arg, params) for arg in expr.args]
    if None in lines or expr.function in ("where", "gt"):
        return None
    slopes, offsets = zip(*(line for line in lines if line is not None), strict=True)
    if expr.function in ("add", "sub", "neg"):
        both = (float_namespace()[expr.function](*numbers) for numbers in (slopes, offsets))
        return next(both), next(both)
    if not any(slopes):
        return 0.0, _value(expr, {}, params)
    if expr.function == "mul" and 0.0 in slopes:
        return slopes[0] * offsets[1] + slopes[1] * offsets[0], offsets[0] * offsets[1]
    if expr.function == "div" and slopes[1] == 0.0 and offsets[1]:
        return slopes[0] / offsets[1], offsets[0] / offsets[1]
    return None


def _is_positive(expr: Expr) -> bool:
    return isinstance(expr, Number) and expr.value > 0


class _Orders:
    """How the subtrees of a formula behave at a point, each looked at once.

    Args:
        point: The point.
        params: The parameters.
    """

    def __init__(self, point: float, params: Mapping[str, float]) -> None:
        self._point, self._params = point, params
        # By identity, with the tree itself: an identity is only as good as the life of its object.
        self._known: dict[int, tuple[Expr, float | None]] = {}

    def of(self, expr: Expr) -> float | None:
        """Return p if the formula behaves like `|x - point|^p`; None if that is not clear."""
        known = self._known.get(id(expr))
        if known is None:
            known = self._known[id(expr)] = expr, self._find(expr)
        return known[1]

    def _find(self, expr: Expr) -> float | None:
        if not isinstance(expr, Call):
            value = self._point if isinstance(expr, Symbol) and expr.name == "x" else 1.0 if expr != ZERO else 0.0
            return 0.0 if value else 1.0 if isinstance(expr, Symbol) else math.inf
        orders = [self.of(arg) for arg in expr.args]
        first, last = orders[0], orders[-1]
        if first is None or last is None:
            return None
        if expr.function == "mul":
            return first + last
        if expr.function == "div":
            return first - last
        if expr.function == "pow" and isinstance(expr.args[1], Number):
            return first * float(expr.args[1].value)
        if expr.function == "sqrt":
            return first / 2
        if expr.function in ("add", "sub"):
            if first != last:
                return min(first, last)
            return self._of_value(expr) if first >= 0.0 else None
        if expr.function in _LIKE_THEIR_ARGUMENT and (first > 0.0 or expr.function == "neg"):
            return first
        return self._of_value(expr) if min(first, last) >= 0.0 else None

    def _of_value(self, expr: Expr) -> float | None:
        """Return 0 for a formula that is not 0 at the point, 1 for one that is and has a slope there."""
        for order in (0.0, 1.0):
            value = _value(expr, {"x": self._point}, self._params)
            if abs(value) > _NOTHING * (1.0 + abs(self._point)):
                return order
            expr = differentiate(expr, "x")
        return None


def _value(expr: Expr, point: Mapping[str, float], params: Mapping[str, float]) -> float:
    """Evaluate in floats; NaN where that fails."""
    try:
        return float(evaluate(expr, {**params, **point}, float_namespace()))
    except (ValueError, OverflowError, ZeroDivisionError):
        return math.nan
