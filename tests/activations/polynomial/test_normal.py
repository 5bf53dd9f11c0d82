"""Normal forms have the value of the formula, and equal formulas have one normal form."""

from fractions import Fraction
from typing import Any

import mpmath
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from oracle import mpmath_namespace

from propstats.activations.expression import Call, Expr, Number, Symbol, evaluate
from propstats.activations.polynomial import canonical, normal, reduced, to_expr, with_erf
from propstats.activations.syntax import parse, str_of
from propstats.errors import ExpressionError

_SYMBOLS = {"a", "b", "mu", "s"}
_LEAVES: st.SearchStrategy[Expr] = st.one_of(
    st.sampled_from(sorted(_SYMBOLS)).map(Symbol),
    st.builds(lambda p, q: Number(Fraction(p, q)), st.integers(-6, 6), st.integers(1, 4)),
    st.just(Symbol("pi")),
)


def _grow(inner: st.SearchStrategy[Expr]) -> st.SearchStrategy[Expr]:
    def one(name: str, u: Expr) -> Expr:
        return Call(name, (u,))

    def two(name: str, u: Expr, v: Expr) -> Expr:
        return Call(name, (u, v))

    powers = st.sampled_from([Fraction(n) for n in (-2, -1, 2, 3)] + [Fraction(1, 2), Fraction(-3, 2)])
    return st.one_of(
        st.builds(two, st.sampled_from(("add", "sub", "mul", "div")), inner, inner),
        st.builds(one, st.sampled_from(("neg", "sqrt", "exp", "Phi", "phi", "sin", "cos", "erf", "sigmoid")), inner),
        st.builds(lambda u, p: two("pow", u, Number(p)), inner, powers),
    )


_TREES = st.recursive(_LEAVES, _grow, max_leaves=7)
_VALUES = st.tuples(*(st.integers(-24, 24).map(lambda n: Fraction(n, 8)) for _ in range(3)), st.integers(1, 24))
_DIGITS = 50


def _value(tree: Expr, values: tuple[Any, ...]) -> Any:
    """Evaluate with fifty digits; None where the formula has no real value, or one too large to compare."""
    a, b, mu, s = (mpmath.mpf(v.numerator) / v.denominator for v in map(Fraction, values))
    try:
        found = evaluate(tree, {"a": a, "b": b, "mu": mu, "s": s / 8}, mpmath_namespace())
    except (ZeroDivisionError, ValueError, OverflowError):
        return None
    is_good = isinstance(found, mpmath.mpf) and mpmath.isfinite(found) and abs(found) < mpmath.mpf(10) ** 12
    return found if is_good else None


def _subtrees(tree: Expr) -> list[Expr]:
    return [tree, *(part for arg in tree.args for part in _subtrees(arg))] if isinstance(tree, Call) else [tree]


def _same_value(before: Expr, after: Expr, values: tuple[Any, ...]) -> None:
    with mpmath.workdps(_DIGITS):
        parts = [_value(part, values) for part in _subtrees(before)]
        # A zero that rounding blurs is no zero below a line or under a root.
        if any(part is None or 0 < abs(part) < mpmath.mpf(10) ** -12 for part in parts):
            return
        found = _value(after, values)
        assert found is not None, (str_of(before), str_of(after))
        # Of fifty digits, what is lost to numbers that cancel: none is above 1e12, few below 1e-12.
        assert abs(found - parts[0]) <= mpmath.mpf(10) ** -12 * (1 + abs(parts[0])), (str_of(before), str_of(after))


@settings(max_examples=400)
@example(parse("sqrt(a**2)", _SYMBOLS), (Fraction(-2), Fraction(1), Fraction(1), 8))
@example(parse("sqrt(a*b)", _SYMBOLS), (Fraction(-2), Fraction(-1), Fraction(1), 8))
@example(parse("(a*b)**(3/2)/sqrt(a)", _SYMBOLS), (Fraction(2), Fraction(1), Fraction(1), 8))
@example(parse("Phi(-a)*exp(b - a**2/2)/sqrt(2*pi)", _SYMBOLS), (Fraction(2), Fraction(1), Fraction(1), 8))
@given(_TREES, _VALUES)
def test_a_normal_form_has_the_value_of_the_formula(tree: Expr, values: tuple[Any, ...]) -> None:
    try:
        written = canonical(tree)
    except ExpressionError:
        assume(False)  # too large, or without a value: both are allowed
    _same_value(tree, written, values)


@settings(max_examples=200)
@given(_TREES, _VALUES)
def test_one_quotient_has_the_value_of_the_formula(tree: Expr, values: tuple[Any, ...]) -> None:
    try:
        written = reduced(tree)
    except ExpressionError:
        assume(False)
    _same_value(tree, written, values)


def _polynomials() -> st.SearchStrategy[Expr]:
    def two(name: str, u: Expr, v: Expr) -> Expr:
        return Call(name, (u, v))

    return st.recursive(
        _LEAVES,
        lambda inner: st.one_of(
            st.builds(two, st.sampled_from(("add", "sub", "mul")), inner, inner),
            st.builds(lambda u: Call("neg", (u,)), inner),
        ),
        max_leaves=5,
    )


@settings(max_examples=200)
@given(_polynomials(), _polynomials(), _polynomials())
def test_the_laws_of_arithmetic(u: Expr, v: Expr, w: Expr) -> None:
    """What the laws say is equal becomes the same tree."""
    for left, right in [
        (Call("mul", (u, Call("add", (v, w)))), Call("add", (Call("mul", (w, u)), Call("mul", (v, u))))),
        (Call("sub", (u, v)), Call("neg", (Call("sub", (v, u)),))),
        (Call("mul", (Call("mul", (u, v)), w)), Call("mul", (u, Call("mul", (w, v))))),
        (Call("sub", (Call("add", (u, v)), v)), u),
    ]:
        assert canonical(left) == canonical(right)


@settings(max_examples=200)
@given(_TREES)
def test_writing_and_reading_changes_nothing(tree: Expr) -> None:
    """What is canonical stays as it is, also through text."""
    try:
        written = canonical(tree)
    except ExpressionError:
        assume(False)
    assert normal(written) == normal(parse(str_of(written), _SYMBOLS))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("(a + b)*(a - b)", "a**2 - b**2"),
        ("a/b + b/a", "a/b + b/a"),
        ("sqrt(8)", "2*sqrt(2)"),
        ("sqrt(2)/2", "1/sqrt(2)"),
        ("1/sqrt(2)*sqrt(2)", "1"),
        ("sqrt(a**2)", "sqrt(a**2)"),
        ("sqrt(s**2)", "s"),
        ("exp(a)*exp(b)/exp(a + b)", "1"),
        ("exp(-a**2/2)/sqrt(2*pi)", "phi(a)"),
        ("phi(-a) - phi(a)", "0"),
        ("sin(-a) + sin(a)", "0"),
        ("cos(-a*b) - cos(b*a)", "0"),
        ("sigmoid(-a) + sigmoid(a)", "1"),
        ("atan(1) + atan(1/sqrt(3))", "5*pi/12"),
        ("exp(a)*Phi(b)", "expPhi(a, b)"),
        ("owens_t(0, 1)", "1/8"),
    ],
)
def test_known_forms(text: str, expected: str) -> None:
    assert str_of(canonical(parse(text, _SYMBOLS))) == expected


def test_a_difference_of_a_distribution_function_becomes_erf() -> None:
    total = with_erf(normal(parse("a*(2*Phi(mu/s) - 1)", _SYMBOLS)))
    assert str_of(to_expr(total)) == "a*erf(mu/(sqrt(2)*s))"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1/(a - a)", "divides by 0"),
        ("sqrt(2 - 3)", "root of a negative number"),
        ("((a + b + mu + s)**8 + a)**8", "too many terms"),
        ("((2**64)**64)**64", "too large"),
    ],
)
def test_refused_in_one_line(text: str, message: str) -> None:
    with pytest.raises(ExpressionError, match=message):
        canonical(parse(text, _SYMBOLS))


def test_a_planted_wrong_rule_is_found() -> None:
    """The comparison would see a root taken out with the wrong sign."""
    with pytest.raises(AssertionError):
        _same_value(parse("sqrt(a**2)", _SYMBOLS), parse("a", _SYMBOLS), (Fraction(-2), Fraction(1), Fraction(1), 8))
