"""Quadrature up to points at which an activation is infinite, against closed forms and certified digits."""

import math

import numpy as np
import pytest

from propstats.activations.own import from_expression
from propstats.expectation import certified, quadrature
from propstats.expectation.moments import BASE
from propstats.expectation.quadrature import singular
from propstats.expectation.quadrature.branches import branches

_EULER = 0.57721566490153286
_LOG_MEAN = -(_EULER + math.log(2)) / 2


def _power_mean(p: float, std: float = 1.0) -> float:
    """`E|x|^-p` for a mean of 0."""
    return float((std * math.sqrt(2)) ** -p * math.gamma((1 - p) / 2) / math.sqrt(math.pi))


@pytest.mark.parametrize("std", [1e-3, 1.0, 50.0])
@pytest.mark.parametrize("p", [-0.5, 0.2, 0.45, 0.6, 0.9])
def test_powers(p: float, std: float) -> None:
    found = quadrature.moments(from_expression(f"abs(x)**({-p})"), std=std)["mean"]
    exact = _power_mean(p, std)
    assert abs(found.value - exact) <= found.error + 4e-16 * exact
    assert found.error < 1e-12 * exact


def test_the_logarithm() -> None:
    """The variance of log|x| is pi^2/8, whatever the standard deviation."""
    found = quadrature.moments(from_expression("log(abs(x))"), std=3.0)
    for name, exact in {"mean": _LOG_MEAN + math.log(3), "var": math.pi**2 / 8, "var_rate": 0.0}.items():
        assert abs(found[name].value - exact) <= found[name].error + 4e-16 < 1e-13
    assert not any(found[name].is_defined for name in ("mean_slope", "slope_second_moment"))


@pytest.mark.parametrize("mean", [0.3, -7.0])
@pytest.mark.parametrize(
    "text",
    [
        "log(x**2)", "where(x > 0, log(x), 0)", "abs(x - 0.1)**(-0.3)", "x*log(abs(x))", "sqrt(abs(x))",
        "tanh(3*x)*log(abs(x - 1))/abs(x)**0.25", "sin(log(abs(x)))",
    ],
)  # fmt: skip
def test_certified_digits(text: str, mean: float) -> None:
    unit = from_expression(text)
    proven, found = certified.moments(unit, mean=mean, digits=16), quadrature.moments(unit, mean=mean)
    for name in BASE:
        if name in proven:
            assert found[name].is_defined == proven[name].is_defined, name
            assert found[name].agrees_with(proven[name]), name
    assert found["mean"].error < 1e-13


@pytest.mark.parametrize("text", ["log(abs(x))**2", "log(abs(x))/abs(x)**0.3", "abs(x)**(-0.6)", "sin(log(abs(x)))"])
def test_what_diverges_gets_no_number(text: str) -> None:
    """The square of the slope exists of none of these; `cos(log x)/x` has not even a principal value."""
    found = quadrature.moments(from_expression(text))
    assert not found["slope_second_moment"].is_defined
    assert not found["mean_slope"].is_defined
    assert found["mean"].error < 1e-12


def test_poles_elsewhere_are_still_seen() -> None:
    """`1/log|x|` is 0 at 0, but has poles at -1 and 1 that only the panels see."""
    found = quadrature.moments(from_expression("1/log(abs(x)) + log(abs(x))"))
    assert not any(found[name].is_defined for name in BASE)


def test_what_is_smooth_after_all_is_left_to_plain_panels() -> None:
    assert branches(from_expression("sin(x)/x")).spans == ()
    assert branches(from_expression("exp(-1/abs(x))")).spans == ()
    assert len(branches(from_expression("log(x**2)")).spans) == 2


def test_what_cancels_close_to_the_point_is_counted_as_rounding() -> None:
    """`(1 - cos x)/|x|^2.5` is `|x|^-0.5/2` close to 0, where floats find no difference from 1."""
    found = quadrature.moments(from_expression("(1 - cos(x))/abs(x)**2.5"))["mean"]
    truth = certified.expectation(from_expression("2*sin(x/2)**2/abs(x)**2.5").formula, {}, digits=16)
    assert not found.is_defined or abs(found.value - truth.value) <= found.error


def test_what_is_cut_off_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Within a distance of exp(-40) lies a part of exp(-4) of this integral; forgetting it is a planted fault."""
    monkeypatch.setattr(singular, "_FARTHEST", (40.0,))
    unit, exact = from_expression("abs(x)**(-0.9)"), _power_mean(0.9)
    found = quadrature.moments(unit)["mean"]
    assert 0.01 * exact < abs(found.value - exact) < found.error < exact
    monkeypatch.setattr(singular._Panels, "_beyond", lambda *_: 0.0)
    wrong = quadrature.moments(unit)["mean"]
    assert abs(wrong.value - exact) > wrong.error


def test_many_at_once() -> None:
    unit = from_expression("log(abs(x - a))", a=1.0)
    found = quadrature.values(unit, [0.0, 0.3, 2.0], [1.0, 2.0, 0.5], a=[0.0, 0.3, 2.0])
    assert found.moments[list(BASE).index("var")] == pytest.approx(np.full(3, math.pi**2 / 8), abs=1e-13)
