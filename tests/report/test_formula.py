"""Formulas as LaTeX: well-formed for anything, and as a mathematician would write them."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from well_formed import check_latex

from propstats.activations import activation, activation_names
from propstats.activations.expression import Call, Expr, Number, Symbol
from propstats.activations.functions import ARITY
from propstats.activations.syntax import parse
from propstats.expectation.closed_form import formulas
from propstats.report.formula import latex_of, text_of

_NAMES = {"x", "a", "mu", "s", "alpha", "negative_slope", "lambd", "c1"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x", "x"),
        ("-x**2", "-x^{2}"),
        ("(-x)**2", r"\left(-x\right)^{2}"),
        ("x - (a - mu)", r"x - \left(a - \mu\right)"),
        ("x*(a + mu)", r"x \left(a + \mu\right)"),
        ("2*3*x", "6 x"),
        ("x*2**a", r"x \cdot 2^{a}"),
        ("x/(a*s)", r"\frac{x}{a s}"),
        ("(x/a)**2", r"\left(\frac{x}{a}\right)^{2}"),
        ("sqrt(x)**2", r"\sqrt{x}^{2}"),
        ("1/3*x", r"\frac{1}{3} x"),
        ("0.044715", "0.044715"),
        ("abs(x - a)", r"\left|x - a\right|"),
        ("Phi(mu/s)*phi(x)", r"\Phi\left(\frac{\mu}{s}\right) \varphi\left(x\right)"),
        ("expPhi(x, a)", r"e^{x} \Phi\left(a\right)"),
        ("between(a, x)", r"\left(\Phi\left(x\right) - \Phi\left(a\right)\right)"),
        ("where(x > 0, x, a*x)", r"\begin{cases} x & x > 0 \\ a x & \text{otherwise} \end{cases}"),
        ("owens_t(x, a)", r"\operatorname{T}\left(x, a\right)"),
        ("negative_slope*x", r"\mathrm{negative\_slope} x"),
        ("c1*x", "c_{1} x"),
        ("lambd", r"\lambda"),
    ],
)
def test_known_formulas(text: str, expected: str) -> None:
    assert latex_of(parse(text, _NAMES)) == expected


@pytest.mark.parametrize(
    ("low", "high", "text", "latex"),
    [
        ("-inf", "inf", "E[x]", r"\mathbb{E}\left[x\right]"),
        ("0", "inf", "E[x; x > 0]", r"\mathbb{E}\left[x; x > 0\right]"),
        ("-inf", "a", "E[x; x < a]", r"\mathbb{E}\left[x; x < a\right]"),
        ("-a", "a", "E[x; -a < x < a]", r"\mathbb{E}\left[x; -a < x < a\right]"),
    ],
)
def test_expectations(low: str, high: str, text: str, latex: str) -> None:
    ends = (Symbol(end) if end.endswith("inf") else parse(end, {"a"}) for end in (low, high))
    node = Call("E", (Symbol("x"), *ends))
    assert text_of(node) == text
    assert latex_of(node) == latex


def test_an_expectation_under_another_law_has_a_prime() -> None:
    node = Call("E''", (Symbol("x"), Symbol("-inf"), Symbol("inf")))
    assert latex_of(node) == r"\mathbb{E}''\left[x\right]"


_LEAVES: st.SearchStrategy[Expr] = st.one_of(
    st.sampled_from(sorted(_NAMES)).map(Symbol),
    st.builds(lambda p, q: Number(Fraction(p, q)), st.integers(-99, 99), st.sampled_from((1, 3, 7, 1000, 2**20))),
)


def _grow(inner: st.SearchStrategy[Expr]) -> st.SearchStrategy[Expr]:
    def node(name: str, *args: Expr) -> Expr:
        return Call(name, args)

    one = st.sampled_from(["neg", *(name for name, count in ARITY.items() if count == 1)])
    two = st.sampled_from(["add", "sub", "mul", "div", "pow", *(name for name, count in ARITY.items() if count == 2)])
    return st.one_of(
        st.builds(node, one, inner),
        st.builds(node, two, inner, inner),
        st.builds(lambda u, v, a, b: node("where", Call("gt", (u, v)), a, b), inner, inner, inner, inner),
    )


@given(st.recursive(_LEAVES, _grow, max_leaves=10))
def test_any_formula_is_well_formed(tree: Expr) -> None:
    check_latex(latex_of(tree))


@pytest.mark.parametrize("name", activation_names())
def test_every_closed_form_is_well_formed(name: str) -> None:
    for formula in (activation(name).formula, *formulas(activation(name)).values()):
        check_latex(latex_of(formula))


def test_signs_do_not_meet() -> None:
    """No `a - -b`, `a + -b` or `a -b`: a reader would take a product for a difference."""
    minus = Call("neg", (Symbol("a"),))
    for operator in ("add", "sub", "mul"):
        assert latex_of(Call(operator, (Symbol("x"), minus))).endswith(r"\left(-a\right)")


@pytest.mark.parametrize(
    "text", [r"\left(x", r"x}", r"\frac{1}{2", r"\begin{cases} x", "a__b", "50%", "x^2^3", r"\left(x\right]\right)"]
)
def test_the_check_sees_what_is_wrong(text: str) -> None:
    with pytest.raises(AssertionError):
        check_latex(text)
