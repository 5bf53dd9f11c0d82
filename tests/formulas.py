"""Formulas for property tests: every construct of the language, and their values to a hundred digits."""

from fractions import Fraction
from typing import Any

import mpmath
from hypothesis import strategies as st
from oracle import mpmath_namespace

from propstats.activations.expression import (
    Call,
    Expr,
    Number,
    Symbol,
    call,
    evaluate,
)

POINTS = st.integers(-48, 48).map(lambda k: k / 16)
SYMBOLS = {"x", "a"}
_BOUNDED = ("sin", "cos", "tanh", "sech2", "sigmoid", "atan", "asinh", "erf", "Phi", "phi", "abs", "sign")


def grow(inner: st.SearchStrategy[Expr]) -> st.SearchStrategy[Expr]:
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


LEAVES: st.SearchStrategy[Expr] = st.one_of(
    st.builds(Symbol, st.sampled_from(["x", "a", "pi"])),
    st.builds(lambda k: Number(Fraction(k, 4)), st.integers(-12, 12)),
)
TREES = st.recursive(LEAVES, grow, max_leaves=8)


def value_of(tree: Expr, x: float, a: float) -> Any:
    with mpmath.workdps(100):
        return evaluate(tree, {"x": mpmath.mpf(x), "a": mpmath.mpf(a)}, mpmath_namespace())
