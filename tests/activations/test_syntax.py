import math
from collections.abc import Callable
from fractions import Fraction

import mpmath
import pytest
from formulas import POINTS, SYMBOLS, TREES, value_of
from hypothesis import given, settings

from propstats.activations.expression import (
    Call,
    Expr,
    Number,
    Symbol,
    symbols_of,
)
from propstats.activations.functions import ARITY
from propstats.activations.syntax import parse, str_of
from propstats.errors import ExpressionError, PropstatsError


@settings(max_examples=300, derandomize=True, deadline=None)
@given(TREES, POINTS, POINTS)
def test_round_trip(tree: Expr, x: float, a: float) -> None:
    again = parse(str_of(tree), SYMBOLS)
    before, after = value_of(tree, x, a), value_of(again, x, a)
    # Both walk the same operations with a hundred digits; seventy are left for the growth of their arguments.
    assert abs(before - after) <= mpmath.mpf(10) ** -30 * (1 + abs(before))
    assert symbols_of(again) == symbols_of(tree)


@settings(max_examples=100, derandomize=True, deadline=None)
@given(TREES)
def test_text_is_stable(tree: Expr) -> None:
    once = parse(str_of(tree), SYMBOLS)
    assert parse(str_of(once), SYMBOLS) == once


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("2 - (3 - x)", lambda x: 2 - (3 - x)),
        ("2/(3/x)", lambda x: 2 / (3 / x)),
        ("-x**2", lambda x: -(x**2)),
        ("(-x)**2", lambda x: x**2),
        ("x**3**2", lambda x: x**9),
        ("(x**3)**2", lambda x: x**6),
        ("2**-x", lambda x: 2.0**-x),
        ("-(-x)", lambda x: x),
        ("+x", lambda x: x),
        ("0.1 + x", lambda x: 0.1 + x),
        ("1e-3*x", lambda x: 1e-3 * x),
        ("max(x, 1, )", lambda x: max(x, 1)),
        ("min(x, 1)", lambda x: min(x, 1)),
        ("where(x >= 1, x, 0)", lambda x: x if x > 1 else 0),
        ("where(x < 1, x, 0)", lambda x: x if x < 1 else 0),
        ("where(x <= 1, x, 0)", lambda x: x if x < 1 else 0),
        ("  x \n", lambda x: x),
    ],
)
def test_meaning(text: str, meaning: Callable[[float], float]) -> None:
    tree = parse(text, {"x"})
    for x in (0.75, 2.5):
        for read in (tree, parse(str_of(tree), {"x"})):
            # Two correctly rounded operations at most differ.
            assert math.isclose(float(value_of(read, x, 0.0)), meaning(x), rel_tol=4 * 2.0**-52)


def test_decimals_are_exact() -> None:
    assert parse("0.1", set()) == Number(Fraction(1, 10))
    assert parse("1/3", set()) == Number(Fraction(1, 3))
    assert parse("0.1 + 0.2", set()) == Number(Fraction(3, 10))


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("__import__('os')", "__import__"),
        ("__import__('os').system('true')", "Call"),
        ("x.real", "Attribute"),
        ("().__class__", "Attribute"),
        ("lambda: 1", "Lambda"),
        ("'x'", "Constant"),
        ("b'x'", "Constant"),
        ("True", "Constant"),
        ("None", "Constant"),
        ("2j", "Constant"),
        ("...", "Constant"),
        ("f'{x}'", "JoinedStr"),
        ("[x]", "List"),
        ("(x, x)", "Tuple"),
        ("{x}", "Set"),
        ("x[0]", "Subscript"),
        ("[x for x in x]", "ListComp"),
        ("x if x else 0", "IfExp"),
        ("x and 1", "BoolOp"),
        ("not x", "UnaryOp"),
        ("~x", "UnaryOp"),
        ("x % 2", "BinOp"),
        ("x // 2", "BinOp"),
        ("x @ x", "BinOp"),
        ("x << 2", "BinOp"),
        ("(x := 1)", "NamedExpr"),
        ("0 < x < 1", "outside where"),
        ("where(0 < x < 1, x, 0)", "one comparison"),
        ("where(x == 0, x, 0)", "one comparison"),
        ("where(x in x, x, 0)", "one comparison"),
        ("where(x is x, x, 0)", "one comparison"),
        ("where(x, x, 0)", "one comparison"),
        ("1 + (x > 0)", "outside where"),
        ("x > 0", "outside where"),
        ("frobnicate(x)", "frobnicate"),
        ("y + 1", "'y'"),
        ("exp", "exp"),
        ("exp()", "exp takes 1"),
        ("exp(x, x)", "exp takes 1"),
        ("where(x > 0, x)", "where takes 3"),
        ("max(x)", "max"),
        ("max(x, x, x)", "max"),
        ("exp(u=x)", "exp"),
        ("max(x, 1, key=x)", "max"),
        ("exp(*x)", "Starred"),
        ("exp(**x)", "exp"),
        ("add(x, x)", "add"),
        ("x(x)", "'x'"),
        ("x + ", "cannot read"),
        ("x; x", "cannot read"),
        ("x = 1", "cannot read"),
        ("import os", "cannot read"),
        ("x\ny", "cannot read"),
        ("x\x00", "cannot read"),
        ("x^2", "written x"),
        ("1e999", "too large"),
        ("-1e999", "too large"),
        ("1" * 400, "too large"),
        ("x**65", "exponent 65"),
        ("x**-65", "exponent -65"),
        ("9**9**9**9", "exponent"),
        ("x**9**9", "exponent"),
        ("", "is empty"),
        ("   \n", "is empty"),
        ("#", "cannot read"),
        ("x" * 10_001, "10001 characters"),
        ("1" * 9_999, ""),
        ("(" * 4_000 + "x" + ")" * 4_000, ""),
        ("-" * 9_000 + "x", "nested too deeply"),
        ("sin(" * 1_900 + "x" + ")" * 1_900, ""),
        ("+".join("x" for _ in range(4_000)), "nested too deeply"),
    ],
)
def test_refusals(text: str, word: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        parse(text, {"x"})
    assert word in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1
    assert isinstance(caught.value, PropstatsError)
    assert caught.value.exit_code == 2


def test_refusals_name_what_is_known() -> None:
    with pytest.raises(ExpressionError, match="known: a, pi, x"):
        parse("b", {"x", "a"})
    with pytest.raises(ExpressionError, match="sigmoid"):
        parse("swish(x)", {"x"})


def test_longest_formula_is_read() -> None:
    text = "x" + " " * 9_999
    assert parse(text, {"x"}) == Symbol("x")


@pytest.mark.parametrize("name", sorted(ARITY))
def test_every_function_is_callable(name: str) -> None:
    args = ["x > 0", "x", "a"] if name == "where" else ["x", "a"][: ARITY[name]]
    text = f"{name}({', '.join(args)})"
    tree = parse(text, {"x", "a"})
    assert isinstance(tree, Call)
    assert str_of(tree) == text


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0.1", Fraction(1, 10)),
        ("1.0507009873554804934193349852946", Fraction("1.0507009873554804934193349852946")),
        ("1e-7", Fraction(1, 10**7)),
        ("(\n0.25)", Fraction(1, 4)),
        ("1_0.5", Fraction(21, 2)),
        ("1e-99999999", Fraction(0)),  # no number that long is built
    ],
)
def test_decimals_are_read_digit_by_digit(text: str, value: Fraction) -> None:
    assert parse(text, set()) == Number(value)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Fraction(1, 8), "1/8"),
        (Fraction(-1, 16), "-0.0625"),
        (Fraction("1.6732632423543772848170429916717"), "1.6732632423543772848170429916717"),
        (Fraction("-0.00000000000000000000123456789012345678901"), "-0.00000000000000000000123456789012345678901"),
        (Fraction(1, 3 * 10**20), "1/300000000000000000000"),
    ],
)
def test_decimals_that_end_are_written_out(value: Fraction, text: str) -> None:
    assert str_of(Number(value)) == text
    assert parse(text, set()) == Number(value)
