from typing import Any

import mpmath
from formulas import LEAVES, POINTS, grow
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import mpmath_namespace

from propstats.activations.derivative import differentiate
from propstats.activations.expression import (
    Expr,
    evaluate,
)


@settings(max_examples=60, derandomize=True, deadline=None)
@given(st.recursive(LEAVES, grow, max_leaves=4), POINTS, POINTS)
def test_derivative_of_a_tree(tree: Expr, x: float, a: float) -> None:
    """By central differences with a hundred digits; kinks at dyadic points are avoided by an odd offset."""
    with mpmath.workdps(100):
        at, step = mpmath.mpf(x) + mpmath.mpf(1) / 7919, mpmath.mpf(10) ** -20
        namespace, given_a = mpmath_namespace(), mpmath.mpf(a) + mpmath.mpf(1) / 104729

        def f(u: Any) -> Any:
            return evaluate(tree, {"x": u, "a": given_a}, namespace)

        third_difference = (f(at + 2 * step) - 2 * f(at + step) + 2 * f(at - step) - f(at - 2 * step)) / 2
        numeric = (f(at + step) - f(at - step)) / (2 * step)
        derived = evaluate(differentiate(tree, "x"), {"x": at, "a": given_a}, namespace)
        # Truncation is step^2 f'''/6, and f''' itself is known to first order; rounding leaves 80 digits.
        bound = abs(third_difference) / step / 3 + mpmath.mpf(10) ** -50 * (1 + abs(numeric))
        assert abs(numeric - derived) <= bound
