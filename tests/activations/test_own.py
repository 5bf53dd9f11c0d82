"""Activations that users write out."""

import pytest

from propstats.activations.own import RESERVED, from_expression
from propstats.errors import DomainError, ExpressionError


def test_an_own_formula() -> None:
    own = from_expression("x*tanh(log(1 + exp(b*x)))", b=2.0)
    assert own.params == {"b": 2.0}
    assert own.name == "own"
    assert own(0.5) == pytest.approx(0.5 * 0.866012526, abs=1e-2)
    assert own.with_params(b=1.0)(0.0) == 0.0


@pytest.mark.parametrize(
    ("text", "params", "message"),
    [
        ("__import__('os').system('true')", {}, "is not allowed|unknown function"),
        ("x.__class__", {}, "Attribute is not allowed"),
        ("(lambda: x)()", {}, "not allowed"),
        ("[x for x in (1,)]", {}, "not allowed"),
        ("x if x > 0 else 0", {}, "not allowed"),
        ("x*y", {}, "unknown name 'y'"),
        ("gamma(x)", {}, "unknown function 'gamma'"),
        ("tanh(x, x)", {}, "takes 1 argument"),
        ("x +", {}, "cannot read the formula"),
        ("", {}, "is empty"),
        ("1 + a", {"a": 1.0}, "does not contain x"),
        ("x", {"a": 1.0}, "does not contain the parameter 'a'"),
        ("x*mu", {"mu": 1.0}, "cannot be called 'mu'"),
        ("x**65", {}, "exponent 65"),
        ("x*1e301", {}, "a number too large"),
        ("+".join(["x"] * 6000), {}, "at most 10000"),
        ("(" * 300 + "x" + ")" * 300, {}, "nested too deeply|cannot read"),
    ],
)
def test_refused_in_one_line(text: str, params: dict[str, float], message: str) -> None:
    with pytest.raises(ExpressionError, match=message) as caught:
        from_expression(text, **params)
    assert len(str(caught.value).splitlines()) == 1
    assert len(str(caught.value)) < 1500


def test_a_parameter_that_is_no_number() -> None:
    with pytest.raises(DomainError, match="finite"):
        from_expression("a*x", a=float("nan"))


@pytest.mark.parametrize("name", sorted(RESERVED - {"x"}))
def test_names_that_have_a_meaning(name: str) -> None:
    with pytest.raises(ExpressionError, match="cannot be called"):
        from_expression(f"x*{name}", **{name: 1.0})


@pytest.mark.parametrize(
    "text",
    [
        "log(0)*x", "log(-1)*x", "sqrt((1e-9 - 1e6)**-1)*x", "x*1e300*1e300", "x*exp(1000)", "max(x, log(0))",
        "where(x > 0, x, sqrt(a))", "x/(1e-300*1e-300)", "x**log(a)",
    ],
)  # fmt: skip
def test_constants_that_are_no_numbers(text: str) -> None:
    with pytest.raises(ExpressionError, match=r"in the formula.* is no number"):
        from_expression(text, **({"a": -2.0} if "a)" in text else {}))
