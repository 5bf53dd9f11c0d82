"""How formulas grow: which expectations exist, and that bounds far out hold."""

import math
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import flint
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from propstats.activations import activation, activation_names
from propstats.activations.expression import call, evaluate
from propstats.activations.namespaces import float_namespace
from propstats.activations.syntax import parse
from propstats.expectation.certified.balls import Balls, exact, precision
from propstats.expectation.certified.enclosure import Tail
from propstats.expectation.certified.exponential_sums import FLOATS, Range, Sum
from propstats.expectation.certified.growth import exists, obstacle
from propstats.expectation.certified.poles import find_pole
from propstats.expectation.certified.tails import Segment, Tails, UnboundedError

YES = [
    "x", "exp(x)", "exp(x**2/4)", "exp(-x**4)", "x*Phi(x)", "x/(1 + abs(x))", "1/(1 + x**2)", "log(1 + exp(x**2))",
    "exp(-exp(x))", "sin(exp(x**2))", "exp(x**2 - x**4)", "softplus(x)**5", "exp(x**2/2 - abs(x))", "asinh(x)",
    "exp(x**2/2)/(1 + x**2)", "exp(x**2/2)*phi(x)", "x**3/(1 + x**2)", "sin(x)/x", "abs(x)**-0.5",
    "where(x > 0, 1/(1 + x), 0)", "(x - 1)/(x**2 - 2*x + 1)*(x - 1)", "log(abs(x))",
]  # fmt: skip
NO = [
    "exp(x**2/2)", "exp(x**2)", "exp(x**3)", "exp(-x**3)", "exp(exp(x))", "exp(sqrt(1 + x**4))", "x**2*exp(x**2/2)",
    "where(x > 3, exp(x**2), 0)", "-exp(x**2)", "1/x", "1/x**2", "x/(x - 1)**2", "cos(x)/x", "abs(x)**-1",
    "1/(3 - 2*x)", "where(x > 0, 1/x, 0)", "1/tanh(x)",
]  # fmt: skip
OPEN = ["exp(x**2)*sin(x)", "exp(x**2)*Phi(-x)", "x**x"]


@pytest.mark.parametrize("text", YES)
def test_what_exists(text: str) -> None:
    assert exists(parse(text, {"x"}), {}, mean=0.0, std=1.0) is True
    assert obstacle(parse(text, {"x"}), {}, mean=0.0, std=1.0) is None


@pytest.mark.parametrize("text", NO)
def test_what_does_not(text: str) -> None:
    assert exists(parse(text, {"x"}), {}, mean=0.0, std=1.0) is False
    reason = obstacle(parse(text, {"x"}), {}, mean=0.0, std=1.0)
    assert reason is not None
    assert "does not exist" in reason
    assert len(reason.splitlines()) == 1


@pytest.mark.parametrize("text", OPEN)
def test_what_is_not_known(text: str) -> None:
    assert exists(parse(text, {"x"}), {}, mean=0.0, std=1.0) is None


@pytest.mark.parametrize("name", activation_names())
def test_all_known_activations_have_moments(name: str) -> None:
    unit = activation(name)
    for formula in (unit.formula, unit.slope_formula, call("mul", unit.formula, unit.formula)):
        assert exists(formula, unit.params, mean=0.5, std=2.0) is True


@settings(max_examples=50, deadline=None)
@given(rate=st.floats(-2, 2), mean=st.floats(-5, 5), std=st.floats(0.1, 3))
def test_the_border_of_existence(rate: float, mean: float, std: float) -> None:
    """E[exp(a x^2)] exists exactly if 2 a s^2 < 1."""
    strength = 2 * rate * std * std
    if abs(strength - 1) > 1e-9:
        assert exists(parse("exp(a*x**2)", {"a", "x"}), {"a": rate}, mean=mean, std=std) is (strength < 1)


def test_an_input_that_is_one_number_has_every_expectation() -> None:
    assert exists(parse("exp(x**2)", {"x"}), {}, mean=1.0, std=0.0) is True


@pytest.mark.parametrize(
    ("text", "params", "pole"),
    [
        ("1/(a*x - 1)", {"a": 4.0}, 0.25),
        ("1/(x**2 + 1)", {}, None),
        ("1/(2 + sin(x))", {}, None),
        ("a/3", {"a": 1}, None),
    ],
)
def test_where_a_pole_is(text: str, params: Mapping[str, float], pole: float | None) -> None:
    assert find_pole(parse(text, {"x", *params}), params) == pole


def _value(terms: Sum, t: float) -> float:
    total = 0.0
    for (a, b, n), c in terms.items():
        total += float(c) * math.exp(min(float(a) * t * t + float(b) * t, 700.0)) * t ** float(n)
    return total


SMOOTH = [
    "x", "x**3 - 2*x", "exp(x)", "exp(-x**2)", "x*Phi(x)", "x*sigmoid(x)", "x*tanh(softplus(x))", "1/(1 + x**2)",
    "sqrt(1 + x**2)", "log(1 + x**2)", "x/(2 + cos(x))", "asinh(x)", "(1 + x**2)**0.3", "sech2(x)*x**2", "abs(x)**1.5",
    "where(x > 1, x, exp(x))", "tanhshrink(x)", "expm1(-x**2)*x", "phi(x)*x", "log1p(exp(x))", "x**2/(1 + abs(x))",
    "exp(-x**4 + x)", "expPhi(x, -x)", "exp(x - x**4/20)*Phi(x)", "x*sigmoid(x + x**3/20)", "exp(2*x**2 - x**4/9)",
    "1/(x**2 + 1)**2",
]  # fmt: skip


@settings(max_examples=25, deadline=None)
@given(st.sampled_from(SMOOTH), st.floats(-3, 3), st.floats(0.2, 2), st.sampled_from([1, -1]), st.floats(0, 19))
def test_bounds_hold(text: str, mean: float, std: float, side: int, away: float) -> None:
    """`low <= f(mean + side std t) <= high` for every t beyond the start, which may have to be further out."""
    formula = parse(text, {"x"})
    namespace = float_namespace()
    for start in (6, 24, 96):
        tail = Tail(Range(Fraction(start), FLOATS), mean, std, side, {}, namespace)
        bound = tail.bound(formula)
        if bound.low is not None and bound.high is not None:
            break
    assert bound.low is not None
    assert bound.high is not None
    t = start + away
    value = evaluate(formula, {"x": mean + side * std * t}, namespace)
    slack = 1e-9 * (1 + abs(value))
    assert _value(bound.low, t) <= value + slack
    assert value - slack <= _value(bound.high, t)


def test_the_check_would_see_a_wrong_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("propstats.expectation.certified.enclosure._BOUNDED", {"sin": (0, 1)})
    bound = Tail(Range(Fraction(6), FLOATS), 0.0, 1.0, 1, {}, float_namespace()).bound(parse("sin(x)", {"x"}))
    assert bound.low is not None
    assert not _value(bound.low, 11.0) <= math.sin(11.0)  # sin(11) = -0.99999


def _tails(text: str, mean: float = 0.0, std: float = 1.0) -> Tails:
    formula = parse(text, {"x"})
    return Tails([Segment(None, None, (formula,))], {}, mean=mean, std=std, wanted=(0,))


@pytest.mark.parametrize("text", ["1", "x**2", "exp(x)", "exp(x**2/4)", "x*Phi(x)"])
def test_the_tail_is_within_its_bound(text: str) -> None:
    """Against `acb.integral` over far more of the tail than matters."""
    cut, (bound,) = _tails(text).cut([-100])
    namespace, formula = Balls().namespace, parse(text, {"x"})

    def integrand(z: Any, _: bool) -> Any:
        return evaluate(formula, {"x": z}, namespace) * (z * z / -2).exp()

    with precision(200):
        near, far = exact(cut), exact(cut + 20)
        total = flint.acb.integral(integrand, -far, -near) + flint.acb.integral(integrand, near, far)
        assert abs(total / (2 * flint.arb.pi()).sqrt()) <= bound
        assert bound < flint.arb(2) ** -100


def test_what_cannot_be_bounded() -> None:
    with pytest.raises(UnboundedError, match="cannot bound"):
        _tails("exp(x**2)*sin(x)/sin(x)")
