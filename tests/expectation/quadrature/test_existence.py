"""Poles and growth: what has no expectation gets no number."""

import math

import numpy as np
import pytest

from propstats.activations.own import from_expression
from propstats.expectation import quadrature
from propstats.expectation.moments import BASE


def _undefined(text: str, mean: float = 0.0, std: float = 1.0) -> set[str]:
    found = quadrature.moments(from_expression(text), mean=mean, std=std)
    for name in BASE:
        assert found[name].is_defined == math.isfinite(found[name].error)
    return {name for name in BASE if not found[name].is_defined}


@pytest.mark.parametrize(
    "text", ["1/x", "1/(x - 1)**2", "1/(x - 1/3)", "1/(x - 12.5)", "1/(x**2 - 2)", "1/sin(x)", "1/(exp(x) - 2)",
     "where(x > 0, 1/x, 0)"],
)  # fmt: skip
def test_poles(text: str) -> None:
    """Also where next to nothing of the Gaussian is: a principal value is no expectation."""
    assert _undefined(text) == set(BASE)


@pytest.mark.parametrize("text", ["exp(x**2)", "exp(x**2/2)", "exp(exp(x))", "exp(x**4)", "log(x)", "sqrt(1 - x**2)"])
def test_what_outgrows_the_density_or_is_not_real(text: str) -> None:
    assert _undefined(text) == set(BASE)


@pytest.mark.parametrize(("power", "undefined"), [(1 / 5, {"slope"}), (0.45, {"slope"}), (0.55, {"slope", "square"})])
def test_integrable_singularities(power: float, undefined: set[str]) -> None:
    """E|x|^-p = 2^(-p/2) Gamma((1 - p)/2)/sqrt(pi), up to p = 1."""
    groups = {
        "slope": {"mean_slope", "slope_second_moment"},
        "square": {"second_moment", "var", "var_rate", "linear_slope"},
    }
    text = f"abs(x)**(-{power})"
    gone = _undefined(text)
    for group, names in groups.items():
        assert (names <= gone) == (group in undefined) or group == "square"
    found = quadrature.moments(from_expression(text))
    exact = 2 ** (-power / 2) * math.gamma((1 - power) / 2) / math.sqrt(math.pi)
    assert abs(found["mean"].value - exact) <= found["mean"].error < 1e-5
    assert "mean" not in gone


def test_existence_depends_on_the_width() -> None:
    """E exp(a x^2) = (1 - 2 a s^2)^(-1/2) for 2 a s^2 < 1; its square needs half of that."""
    assert "mean" in _undefined("exp(x**2)", std=0.8)
    assert _undefined("exp(x**2)", std=0.45) == set()
    found = quadrature.moments(from_expression("exp(x**2)"), std=0.45)["mean"]
    assert abs(found.value - (1 - 2 * 0.45**2) ** -0.5) <= found.error < 1e-13
    assert {"second_moment", "var"} <= _undefined("exp(x**2)", std=0.6)
    assert "mean" not in _undefined("exp(x**2)", std=0.6)


def test_what_underflows_everywhere_but_where_it_matters() -> None:
    """E[exp(2 x)] under N(-10^6, 10^6) is exp(-2*10^6 + 2*10^6), far out of sight."""
    assert "second_moment" in _undefined("exp(x)", mean=-1e6, std=1e3)
    assert _undefined("exp(x)", mean=-1e6) == set()


def test_many_at_once_say_so_too() -> None:
    found = quadrature.values(from_expression("1/(x - a)", a=1.0), [0.0, 50.0], 1.0, a=[1.0, 2.0])
    assert np.isnan(found.moments).all()
    assert np.isinf(found.errors).all()
