from fractions import Fraction

import mpmath
import pytest
from formulas import POINTS, TREES, value_of
from hypothesis import given, settings

from propstats.activations.expression import (
    ONE,
    ZERO,
    Call,
    Expr,
    Number,
    Symbol,
    substitute,
    symbols_of,
)
from propstats.activations.syntax import parse


@settings(max_examples=100, derandomize=True, deadline=None)
@given(TREES, POINTS, POINTS)
def test_substitution_commutes_with_evaluation(tree: Expr, x: float, a: float) -> None:
    bound = substitute(tree, {"a": Number(Fraction(a))})
    assert "a" not in symbols_of(bound)
    before, after = value_of(tree, x, a), value_of(bound, x, a)
    assert abs(before - after) <= mpmath.mpf(10) ** -30 * (1 + abs(before))


def test_power_tower_of_constants_is_not_computed() -> None:
    """2**60 is worked out; ((2**60)**60)**60, with 216,000 bits, is left as it stands."""
    assert parse("2**60", set()) == Number(Fraction(2**60))
    tree = parse("((2**60)**60)**60", set())
    assert isinstance(tree, Call)


@pytest.mark.parametrize(
    ("text", "folded"),
    [("x*0", ZERO), ("x*1", Symbol("x")), ("x + 0", Symbol("x")), ("x - 0", Symbol("x")), ("x/1", Symbol("x")),
     ("0 - x", Call("neg", (Symbol("x"),))), ("x**1", Symbol("x")), ("exp(0)", ONE), ("cos(0)", ONE),
     ("sin(0)", ZERO), ("Phi(0)", Number(Fraction(1, 2))), ("sqrt(1)", ONE),
     ("where(x > 0, 2, 2)", Number(Fraction(2)))],
)  # fmt: skip
def test_folding(text: str, folded: Expr) -> None:
    assert parse(text, {"x"}) == folded


def test_division_by_zero_is_left_to_the_back_end() -> None:
    assert isinstance(parse("1/0", set()), Call)
    assert isinstance(parse("0/0", set()), Call)
