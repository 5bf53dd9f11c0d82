import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import mpmath
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import mpmath_namespace

from propstats.activations.derivative import differentiate
from propstats.activations.expression import (
    ONE,
    ZERO,
    Call,
    Expr,
    Number,
    Symbol,
    call,
    evaluate,
    substitute,
    symbols_of,
)
from propstats.activations.functions import ARITY
from propstats.activations.syntax import parse, str_of
from propstats.errors import ExpressionError, PropstatsError

_POINTS = st.integers(-48, 48).map(lambda k: k / 16)
_SYMBOLS = {"x", "a"}
_BOUNDED = ("sin", "cos", "tanh", "sech2", "sigmoid", "atan", "asinh", "erf", "Phi", "phi", "abs", "sign")


def _grow(inner: st.SearchStrategy[Expr]) -> st.SearchStrategy[Expr]:
    """Every construct of the language, with arguments that keep it in range and off the poles."""

    def quotient(u: Expr, v: Expr) -> Expr:
        return call("div", u, call("add", Number(Fraction(2)), call("sin", v)))

    def choice(u: Expr, v: Expr, w: Expr) -> Expr:
        return call("where", Call("gt", (u, v)), v, w)

    return st.one_of(
        st.builds(call, st.sampled_from(("add", "sub", "mul")), inner, inner),
        st.builds(call, st.just("neg"), inner),
        st.builds(call, st.sampled_from(_BOUNDED), inner),
        st.builds(lambda name, u: call(name, call("tanh", u)), st.sampled_from(("exp", "expm1", "softplus")), inner),
        st.builds(lambda name, u: call(name, call("sigmoid", u)), st.sampled_from(("sqrt", "log", "log1p")), inner),
        st.builds(lambda u, n: call("pow", u, Number(Fraction(n))), inner, st.sampled_from((2, 3))),
        st.builds(lambda u, v: call("pow", call("exp", call("tanh", u)), call("sin", v)), inner, inner),
        st.builds(lambda u, v: call("between", u, call("add", u, call("abs", v))), inner, inner),
        st.builds(lambda u, v: call("expPhi", call("sin", u), v), inner, inner),
        st.builds(quotient, inner, inner),
        st.builds(choice, inner, inner, inner),
    )


_LEAVES: st.SearchStrategy[Expr] = st.one_of(
    st.builds(Symbol, st.sampled_from(["x", "a", "pi"])),
    st.builds(lambda k: Number(Fraction(k, 4)), st.integers(-12, 12)),
)
TREES = st.recursive(_LEAVES, _grow, max_leaves=8)


def _value(tree: Expr, x: float, a: float) -> Any:
    with mpmath.workdps(100):
        return evaluate(tree, {"x": mpmath.mpf(x), "a": mpmath.mpf(a)}, mpmath_namespace())


@settings(max_examples=300, derandomize=True, deadline=None)
@given(TREES, _POINTS, _POINTS)
def test_round_trip(tree: Expr, x: float, a: float) -> None:
    again = parse(str_of(tree), _SYMBOLS)
    before, after = _value(tree, x, a), _value(again, x, a)
    # Both walk the same operations with a hundred digits; seventy are left for the growth of their arguments.
    assert abs(before - after) <= mpmath.mpf(10) ** -30 * (1 + abs(before))
    assert symbols_of(again) == symbols_of(tree)


@settings(max_examples=100, derandomize=True, deadline=None)
@given(TREES)
def test_text_is_stable(tree: Expr) -> None:
    once = parse(str_of(tree), _SYMBOLS)
    assert parse(str_of(once), _SYMBOLS) == once


@settings(max_examples=100, derandomize=True, deadline=None)
@given(TREES, _POINTS, _POINTS)
def test_substitution_commutes_with_evaluation(tree: Expr, x: float, a: float) -> None:
    bound = substitute(tree, {"a": Number(Fraction(a))})
    assert "a" not in symbols_of(bound)
    before, after = _value(tree, x, a), _value(bound, x, a)
    assert abs(before - after) <= mpmath.mpf(10) ** -30 * (1 + abs(before))


@settings(max_examples=60, derandomize=True, deadline=None)
@given(st.recursive(_LEAVES, _grow, max_leaves=4), _POINTS, _POINTS)
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
            assert math.isclose(float(_value(read, x, 0.0)), meaning(x), rel_tol=4 * 2.0**-52)


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
