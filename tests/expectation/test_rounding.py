import math
from fractions import Fraction
from typing import Any

import mpmath
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import DIGITS, mpmath_namespace

from propstats.activations.expression import Call, Expr, Number, Symbol, evaluate
from propstats.activations.syntax import parse
from propstats.expectation.rounding import Rounded, evaluate_rounded

_EPS = 2.0**-52
_TAME = ("sin", "cos", "tanh", "sech2", "sigmoid", "softplus", "atan", "asinh", "erf", "Phi", "phi", "abs", "neg")
_LEAVES: st.SearchStrategy[Expr] = st.one_of(
    st.just(Symbol("x")), st.just(Symbol("y")), st.just(Symbol("pi")),
    st.builds(lambda p, q: Number(Fraction(p, q)), st.integers(-50, 50), st.integers(1, 17)),
)  # fmt: skip


def _grow(inner: st.SearchStrategy[Expr]) -> st.SearchStrategy[Expr]:
    def one(name: str, u: Expr) -> Expr:
        return Call(name, (u,))

    def two(name: str, u: Expr, v: Expr) -> Expr:
        return Call(name, (u, v))

    return st.one_of(
        st.builds(two, st.sampled_from(("add", "sub", "mul", "div", "between", "expPhi")), inner, inner),
        st.builds(one, st.sampled_from(_TAME), inner),
        st.builds(one, st.sampled_from(("exp", "expm1", "log", "log1p", "sqrt")), inner),
        st.builds(lambda u, n: two("pow", u, Number(Fraction(n))), inner, st.sampled_from((-2, -1, 2, 3))),
    )


_TREES = st.recursive(_LEAVES, _grow, max_leaves=8)
_FLOATS = st.floats(-5, 5, allow_subnormal=False)


@settings(max_examples=600, derandomize=True, deadline=None)
@given(_TREES, _FLOATS, _FLOATS)
def test_bound_holds_for_any_tree(tree: Expr, x: float, y: float) -> None:
    found = evaluate_rounded(tree, {"x": Rounded(x), "y": Rounded(y)})
    if not math.isfinite(found.value):
        assert math.isnan(found.value)
        assert found.error == math.inf
        return
    # The bound is of first order: it claims nothing where an error is no longer small against its number.
    if found.error > 1e-6 * abs(found.value) or abs(found.value) > 1e100:
        return
    with mpmath.workdps(60):
        exact = evaluate(tree, {"x": mpmath.mpf(x), "y": mpmath.mpf(y)}, mpmath_namespace())
        gap = abs(mpmath.mpf(found.value) - exact)
        # Second order: (relative error)^2, with room for a curvature of a thousand.
        assert gap <= found.error * (1 + 1e-3) + 1e-300, (float(gap), found)


@settings(max_examples=200, derandomize=True, deadline=None)
@given(
    _FLOATS, st.floats(0, 1e-8), st.sampled_from(["sin(x)", "exp(x)", "x**2", "x*Phi(x)", "1/(9 + x)", "sqrt(9 + x)"])
)
def test_the_symbols_own_error_is_carried(x: float, error: float, text: str) -> None:
    """Any number within the error of x must have its image within the error of the result."""
    tree = parse(text, {"x"})
    found = evaluate_rounded(tree, {"x": Rounded(x, error)})
    with mpmath.workdps(DIGITS):
        for moved in (mpmath.mpf(x) - error, mpmath.mpf(x) + error):
            exact: Any = evaluate(tree, {"x": moved}, mpmath_namespace())
            # Second order: curvature (below exp(5)) times error^2; and what underflows.
            assert abs(found.value - exact) <= found.error + 150 * error**2 + 1e-300


@pytest.mark.parametrize(
    ("text", "x"),
    [
        ("1/x", 0.0),
        ("log(x)", -1.0),
        ("log(x)", 0.0),
        ("sqrt(x)", -1.0),
        ("exp(x)", 1e4),
        ("x**-1", 0.0),
        ("1/(x - x)", 2.0),
        ("x**0.5", -1.0),
        ("exp(x)*exp(x)", 600.0),
        ("1/((1 + x) - 1)", 1e-17),
    ],
)
def test_no_value(text: str, x: float) -> None:
    found = evaluate_rounded(parse(text, {"x"}), {"x": Rounded(x)})
    assert math.isnan(found.value)
    assert found.error == math.inf


def test_cancellation_shows() -> None:
    found = evaluate_rounded(parse("(1 + x) - 1", {"x"}), {"x": Rounded(1e-12)})
    assert _EPS / 2 <= found.error <= 4 * _EPS
    straight = evaluate_rounded(parse("x", {"x"}), {"x": Rounded(1e-12)})
    assert straight.error == 0.0


def test_root_near_zero_takes_its_uncertainty() -> None:
    """sqrt of 0 +- e is up to sqrt(e), which no derivative would tell."""
    found = evaluate_rounded(parse("sqrt(x)", {"x"}), {"x": Rounded(0.0, 1e-10)})
    assert found.error >= 1e-5
    assert evaluate_rounded(parse("sqrt(x)", {"x"}), {"x": Rounded(-1e-12, 1e-10)}).value == 0.0


def test_exact_arithmetic_has_no_error() -> None:
    assert evaluate_rounded(parse("x", {"x"}), {"x": Rounded(0.1)}) == Rounded(0.1, 0.0)
    assert evaluate_rounded(parse("0.5", set()), {}).error == 0.0
    assert 0 < evaluate_rounded(parse("0.1", set()), {}).error <= _EPS * 0.1
