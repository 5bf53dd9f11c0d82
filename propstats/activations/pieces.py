"""A formula cut where it changes its branch: the kinks, the jumps and the smooth pieces between them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from propstats.activations.derivative import differentiate
from propstats.activations.expression import (
    MINUS_ONE,
    ONE,
    ZERO,
    Call,
    Expr,
    Number,
    call,
    evaluate,
    map_args,
    substitute,
    symbols_of,
)
from propstats.activations.namespaces import float_namespace
from propstats.activations.syntax import str_of
from propstats.errors import ExpressionError

#: The functions that choose a branch by a sign.
_CHOOSERS = ("abs", "sign")


@dataclass(frozen=True, slots=True)
class Kink:
    """A point where a formula may change its branch.

    Args:
        formula: The point as a formula in the parameters; None where the equation for it is not linear.
        value: The point as a number.
    """

    formula: Expr | None
    value: float


@dataclass(frozen=True, slots=True)
class Piece:
    """A formula on an interval in which no branch changes.

    Args:
        low: Where the interval begins, as a formula in the parameters; None for minus infinity.
        high: Where it ends; None for infinity.
        formula: The formula with its branches chosen: no `where`, `abs`, `sign` or comparison of `x` is left.
    """

    low: Expr | None
    high: Expr | None
    formula: Expr


def find_kinks(formula: Expr, params: Mapping[str, float]) -> tuple[tuple[Kink, ...], bool]:
    """Find where a formula changes its branch, in ascending order, and whether these are certainly all.

    Boundaries that are linear in x are solved exactly; others by isolating real roots between -64 and 64.
    """
    found: dict[float, Kink] = {}
    settled = True
    for boundary in _boundaries(formula):
        kinks, complete = _solve(boundary, params)
        settled &= complete
        for kink in kinks:
            if kink.value not in found or found[kink.value].formula is None:
                found[kink.value] = kink
    return tuple(found[value] for value in sorted(found)), settled


def pieces(formula: Expr, params: Mapping[str, float]) -> tuple[Piece, ...]:
    """Cut a formula at its kinks and choose the branches in each interval.

    The order of the kinks is that at the given parameters.

    Raises:
        ExpressionError: If the kinks are not certainly all: between them, anything could happen.

    >>> from propstats.activations.syntax import parse, str_of
    >>> [str_of(p.formula) for p in pieces(parse("max(x, a*x)", {"a", "x"}), {"a": 0.25})]
    ['a*x', 'x']
    """
    kinks, settled = find_kinks(formula, params)
    if not settled:
        hint = "make what it compares linear in x; quadrature and sampling do without"
        raise ExpressionError(f"cannot find all points where {str_of(formula)} changes its branch", hint)
    return cut(formula, kinks, params)


def cut(formula: Expr, kinks: Sequence[Kink], params: Mapping[str, float]) -> tuple[Piece, ...]:
    """Cut a formula at known kinks; one that is only known as a number becomes that number, exactly as it stands."""
    ends = [None, *kinks, None]
    found: list[Piece] = []
    for low, high in pairwise(ends):
        inside = branch_at(formula, _inside(low, high), params)
        start, stop = (None if k is None else point(k) for k in (low, high))
        if found and found[-1].formula == inside:
            found[-1] = Piece(found[-1].low, stop, inside)  # nothing changes here after all
        else:
            found.append(Piece(start, stop, inside))
    return tuple(found)


def point(kink: Kink) -> Expr:
    """Return the kink as a formula, or as the number that it is known by."""
    return kink.formula if kink.formula is not None else Number.of(kink.value)


def branch_at(formula: Expr, x: float, params: Mapping[str, float]) -> Expr:
    """Choose every branch as it is at `x`, and leave everything else as it is."""
    symbols = {"x": x, **params}

    def choose(node: Expr) -> Expr:
        if not isinstance(node, Call):
            return node
        if node.function == "where":
            condition, then, otherwise = node.args
            taken = evaluate(condition, symbols, float_namespace())
            return choose(then if taken else otherwise)
        if node.function in _CHOOSERS and "x" in symbols_of(node):
            inner = node.args[0]
            positive = evaluate(inner, symbols, float_namespace()) >= 0
            if node.function == "abs":
                return choose(inner) if positive else call("neg", choose(inner))
            return ONE if positive else MINUS_ONE
        return map_args(choose, node)

    return choose(formula)


def _inside(low: Kink | None, high: Kink | None) -> float:
    """Return a point between two kinks."""
    if low is None:
        return 0.0 if high is None else high.value - 1.0
    return low.value + 1.0 if high is None else (low.value + high.value) / 2


def _boundaries(expr: Expr) -> list[Expr]:
    """Collect the trees whose zeros are where the formula changes its branch."""
    if not isinstance(expr, Call):
        return []
    found = [boundary for arg in expr.args for boundary in _boundaries(arg)]
    if expr.function == "gt":
        found.append(call("sub", *expr.args))
    elif expr.function in _CHOOSERS:
        found.append(expr.args[0])
    return [boundary for boundary in found if "x" in symbols_of(boundary)]


def _solve(boundary: Expr, params: Mapping[str, float]) -> tuple[list[Kink], bool]:
    """Solve `boundary = 0` for x; a root of one branch that lies outside that branch splits nothing, and stays.

    Such a root costs an integral nothing, and leaving it out would mean to decide an inequality between roots.
    """
    choice = _first_choice(boundary)
    if choice is not None:
        solved = [_solve(_replace(boundary, choice, branch), params) for branch in _branches(choice)]
        return [kink for kinks, _ in solved for kink in kinks], all(complete for _, complete in solved)
    rate = differentiate(boundary, "x")
    if "x" not in symbols_of(rate):
        if rate == ZERO:
            return [], True
        formula = call("neg", call("div", substitute(boundary, {"x": ZERO}), rate))
        slope = evaluate(rate, params, float_namespace())
        return ([Kink(formula, evaluate(formula, params, float_namespace()) + 0.0)] if slope else []), True
    from propstats.activations.roots import real_roots  # it needs numpy, the rest does not

    roots, complete = real_roots(boundary, params)
    return [Kink(None, root) for root in roots], complete


def _first_choice(expr: Expr) -> Call | None:
    """Return the innermost choice in the tree."""
    if not isinstance(expr, Call):
        return None
    inner = next((found for found in map(_first_choice, expr.args) if found is not None), None)
    return inner or (expr if expr.function in ("where", *_CHOOSERS) else None)


def _branches(choice: Call) -> tuple[Expr, ...]:
    if choice.function == "where":
        return choice.args[1:]
    inner = choice.args[0]
    return (inner, call("neg", inner)) if choice.function == "abs" else (ONE, MINUS_ONE)


def _replace(expr: Expr, old: Call, new: Expr) -> Expr:
    """Replace one subtree by another."""
    return new if expr is old else map_args(lambda arg: _replace(arg, old, new), expr)
