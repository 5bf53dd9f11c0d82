"""Where a formula has no value: found by ball arithmetic, said in one line."""

from collections.abc import Mapping
from fractions import Fraction
from typing import TYPE_CHECKING

from propstats.activations.expression import Call, Expr, evaluate
from propstats.activations.syntax import str_of
from propstats.expectation.certified.balls import Balls, exact
from propstats.expectation.certified.growth import law

if TYPE_CHECKING:
    from flint import arb

#: How closely a point without a value is closed in on, as a number of halvings.
_HALVINGS = 80
_LOOKS = 2000
#: At how many points, evenly spread, to look first.
_POINTS = 10


def singular_point(
    formula: Expr, symbols: Mapping[str, "arb"], low: Fraction, high: Fraction
) -> tuple[Expr, float] | None:
    """Find a point of an interval at which a formula has no finite value.

    Args:
        formula: A formula in x and the symbols.
        symbols: The values of all other symbols.
        low: Where the interval of x begins.
        high: Where it ends.

    Returns:
        The subformula that has no value, and where; None if the formula is finite wherever it was looked.

    >>> from propstats.activations.syntax import parse
    >>> node, x = singular_point(parse("1 + 1/(x - 3)", {"x"}), {}, Fraction(0), Fraction(10))
    >>> str_of(node), round(x, 6)
    ('1/(x - 3)', 3.0)
    """
    for k in range(_POINTS + 1):
        x = low + (high - low) * k / _POINTS
        culprit = _without_value(formula, symbols, x, x)
        if culprit is not None:
            return culprit, _short(x)
    waiting = [(low, high, _HALVINGS)]
    looked = 0
    while waiting and looked < _LOOKS:
        looked += 1
        low, high, halvings = waiting.pop()
        culprit = _without_value(formula, symbols, low, high)
        if culprit is not None and halvings == 0:
            return culprit, _short((low + high) / 2)
        if culprit is not None:
            middle = (low + high) / 2
            waiting += [(middle, high, halvings - 1), (low, middle, halvings - 1)]
    return None


def _short(x: Fraction) -> float:
    """Drop what the search left behind the last meaningful digit, and the sign of 0."""
    return round(float(x), 12) + 0.0


def _without_value(formula: Expr, symbols: Mapping[str, "arb"], low: Fraction, high: Fraction) -> Expr | None:
    """Return the first subformula that is not finite on an interval although its arguments are."""
    from flint import acb

    balls = Balls().namespace
    values = {name: acb(value) for name, value in symbols.items()}
    values["x"] = acb(exact(low).union(exact(high)))

    def visit(node: Expr) -> Expr | None:
        if isinstance(node, Call):
            for arg in node.args:
                culprit = visit(arg)
                if culprit is not None:
                    return culprit
        return None if evaluate(node, values, balls).is_finite() else node

    return None if evaluate(formula, values, balls).is_finite() else visit(formula)


def describe(node: Expr, x: float, mean: float, std: float) -> str:
    """Say that a formula has no value at a point that the Gaussian reaches."""
    return f"{str_of(node)} is not defined at x = {x:.6g}, which {law(mean, std)} reaches"
