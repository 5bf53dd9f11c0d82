"""Integrable singularities: proven digits against closed forms, and what does not exist."""

from collections.abc import Callable, Mapping
from typing import Any

import mpmath
import pytest
from oracle import DIGITS

from propstats.activations.activation import Activation
from propstats.activations.syntax import parse
from propstats.errors import DomainError
from propstats.estimate import Estimate
from propstats.expectation import certified
from propstats.expectation.certified.growth import diverges_near
from propstats.expectation.certified.near import SingularEnd

mp: Any = mpmath.mp


def power_mean(decimal: str, mean: Any = 0.0, std: float = 1.0) -> Any:
    """`E|x|^-p = s^-p 2^(-p/2) Gamma((1 - p)/2)/sqrt(pi) 1F1(p/2; 1/2; -mu^2/(2 s^2))`."""
    p, s = mp.mpf(decimal), mp.mpf(std)
    shift = mp.hyp1f1(p / 2, mp.mpf(1) / 2, -((mp.mpf(mean) / s) ** 2) / 2)
    return s**-p * 2 ** (-p / 2) * mp.gamma((1 - p) / 2) / mp.sqrt(mp.pi) * shift


def log_mean(std: float = 1.0) -> Any:
    """`E log|x| = log s - (gamma + log 2)/2`: half of what chi-squared has."""
    return mp.log(std) - (mp.euler + mp.log(2)) / 2


TRUTH: Mapping[tuple[str, float, float], Callable[[], Any]] = {
    ("log(abs(x))", 0.0, 1.0): log_mean,
    ("log(x**2)", 0.0, 2.0): lambda: 2 * log_mean(2.0),
    ("where(x > 0, log(x), 0)", 0.0, 1.0): lambda: log_mean() / 2,
    ("log(abs(x))**2", 0.0, 1.0): lambda: log_mean() ** 2 + mp.pi**2 / 8,
    ("abs(x)**(-0.3)", 0.5, 1.5): lambda: power_mean("0.3", 0.5, 1.5),
    ("1/sqrt(abs(x))", 0.3, 1.0): lambda: power_mean("0.5", 0.3),
    ("abs(x - 0.1)**(-0.6)", 0.0, 1.0): lambda: power_mean("0.6", mp.mpf(1) / 10),
    ("sqrt(1/abs(2*x))", 0.0, 1.0): lambda: power_mean("0.5") / mp.sqrt(2),
    ("abs(x)**0.5", 0.0, 1.0): lambda: power_mean("-0.5"),
    ("sin(x)/x", 0.0, 1.0): lambda: mp.sqrt(mp.pi / 2) * mp.erf(1 / mp.sqrt(2)),
}


def close(estimate: Estimate, truth: Any) -> bool:
    assert estimate.digits is not None
    return bool(abs(mp.mpf(estimate.digits) - truth) <= mp.mpf(10) ** -28 * (1 + abs(truth)))


@pytest.mark.parametrize(("text", "mean", "std"), sorted(TRUTH))
def test_closed_forms(text: str, mean: float, std: float) -> None:
    found = certified.expectation(parse(text, {"x"}), {}, mean=mean, std=std)
    with mpmath.workdps(DIGITS):
        assert close(found, TRUTH[text, mean, std]())


def test_all_moments_of_the_logarithm() -> None:
    """Its variance is pi^2/8 whatever s is, so that var_rate = 0; its slope 1/x has no mean."""
    found = certified.moments(Activation("log", "log(abs(x))"), digits=20, std=0.5)
    with mpmath.workdps(DIGITS):
        assert abs(mp.mpf(found["mean"].digits) - log_mean(0.5)) < 1e-18
        assert abs(mp.mpf(found["var"].digits) - mp.pi**2 / 8) < 1e-18
    assert found["var_rate"].digits == found["linear_slope"].digits == "0." + "0" * 20
    assert not any(found[name].is_defined for name in ("mean_slope", "slope_second_moment", "jacobian_factor"))


def test_a_mean_without_a_second_moment() -> None:
    """By Stein's lemma linear_slope is d mean/d mu; of an even function that is 0 at mu = 0."""
    found = certified.moments(Activation("power", "abs(x)**(-0.6)"), digits=20)
    with mpmath.workdps(DIGITS):
        assert abs(mp.mpf(found["mean"].digits) - power_mean("0.6")) < 1e-18
    assert found["linear_slope"].digits == "0." + "0" * 20
    assert not any(found[name].is_defined for name in ("second_moment", "var", "var_rate", "gain", "mean_slope"))


def test_stein_gives_what_the_slope_gives() -> None:
    """`E[phi'] = E[phi (x - mu)]/s^2` where the slope is integrable but infinite."""
    found = certified.moments(Activation("cusp", "sqrt(abs(x))"), mean=0.3, digits=20)
    assert found["mean_slope"].digits == found["linear_slope"].digits


def test_of_what_is_not_known_nothing_is_claimed() -> None:
    """The slope of sin(x)/x is smooth, but its numerator vanishes by a cancellation that no bound sees."""
    found = certified.moments(Activation("sinc", "sin(x)/x"), digits=10)
    assert "mean_slope" not in found
    assert "jacobian_factor" not in found
    assert found["var"].digits is not None


@pytest.mark.parametrize(
    ("text", "does"),
    [
        ("1/x", True), ("x**(-0.99)", False), ("-log(x)/x", True), ("log(x)**5", False), ("exp(1/x)", True),
        ("1/sqrt(x)/(2 + x)", False), ("1/(x + x**2)", True), ("sin(1/x)/x", False),
    ],
)  # fmt: skip
def test_what_certainly_diverges(text: str, does: bool) -> None:
    """Of `sin(1/x)/x`, which has an improper integral only, nothing is certain."""
    assert diverges_near(parse(text, {"x"}), {}, std=1.0) is does


@pytest.mark.parametrize("text", ["log(abs(x))/x", "exp(1/abs(x))", "1/(abs(x)*(1 + sqrt(abs(x))))"])
def test_what_has_no_mean(text: str) -> None:
    with pytest.raises(DomainError, match="does not exist"):
        certified.expectation(parse(text, {"x"}), {})


def test_what_is_very_close_is_not_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """A planted fault: the integral ends at a distance of exp(-40) and is believed to be complete."""
    import flint

    monkeypatch.setattr(SingularEnd, "_cut", lambda *_: (40, flint.arb(0)))
    wrong = certified.expectation(parse("abs(x)**(-0.3)", {"x"}), {})
    with mpmath.workdps(DIGITS):
        assert not close(wrong, power_mean("0.3"))
