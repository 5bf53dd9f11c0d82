"""The trapezoidal rule with a proven error, against integration by halving, which shares nothing with it but balls."""

from collections.abc import Sequence
from fractions import Fraction
from typing import TYPE_CHECKING

import pytest

from propstats.activations import activation
from propstats.activations.compile import compiled
from propstats.activations.syntax import parse
from propstats.errors import CertificateError
from propstats.estimate import Estimate
from propstats.expectation import certified
from propstats.expectation.certified import integrals, strip
from propstats.expectation.certified.balls import Balls, exact, precision
from propstats.expectation.certified.strip import Integrands, find_strip, trapezoid

if TYPE_CHECKING:
    from flint import acb

_SMOOTH = [
    "tanh(x)**2", "x*Phi(x)", "1/(1 + x**2)", "cos(30*x)", "exp(x)*sin(x)", "softplus(x)", "asinh(x)**2",
    "x**6", "1/(1 + 100*x**2)", "erf(x)*x", "sqrt(1 + x**2)", "exp(-x**4)", "x*sigmoid(x)", "tanhshrink(x)*x",
]  # fmt: skip
_INPUTS = [(0.0, 1.0), (0.3, 1.7), (-8.0, 1.0), (10.0, 0.01), (0.0, 30.0)]


def _integrands(text: str, std: float, *, is_analytic: bool) -> Integrands:
    """The integrand under N(0, std^2) as a function of a complex z."""
    balls = Balls()
    balls.is_analytic = is_analytic
    with precision(300):
        program = compiled([parse(text, {"x"})], ["x"], balls.namespace)

    def values(z: "acb") -> Sequence["acb"]:
        found: Sequence[acb] = program(z * std)
        return found

    return values


@pytest.mark.parametrize(("mean", "std"), _INPUTS)
@pytest.mark.parametrize("text", _SMOOTH)
def test_the_same_digits_as_by_halving(text: str, mean: float, std: float, monkeypatch: pytest.MonkeyPatch) -> None:
    def value() -> Estimate:
        return certified.expectation(parse(text, {"x"}), {}, mean=mean, std=std, timeout=60.0)

    by_trapezoid = value()
    monkeypatch.setattr(integrals, "find_strip", lambda *_: None)
    by_halving = value()
    assert by_trapezoid.digits == by_halving.digits
    assert by_trapezoid.agrees_with(by_halving)


@pytest.mark.parametrize("text", ["tanh(x)**2", "x*Phi(x)", "cos(3*x)", "1/(1 + x**2)"])
def test_the_bound_holds_with_too_few_points(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Coarse sums are wrong, and know by how much; with every point more the bound is smaller."""
    monkeypatch.setattr(integrals, "find_strip", lambda *_: None)
    truth = certified.expectation(parse(text, {"x"}), {}, digits=40)
    assert truth.digits is not None
    found = find_strip(_integrands(text, 1.0, is_analytic=True), Fraction(14))
    assert found is not None
    radii = []
    for n in (16, 24, 40, 80, 160):
        with precision(200):
            ball = trapezoid(_integrands(text, 1.0, is_analytic=False), found, n, lambda: False)
            assert ball is not None
            # Beyond 14 standard deviations there is less than 1e-39 of these integrals.
            assert abs(ball[0] - exact(Fraction(truth.digits))).abs_lower() <= exact(Fraction(1, 10**39))
            radii.append(float(ball[0].rad()))
    assert radii == sorted(radii, reverse=True)
    assert radii[-1] < 1e-30 or text == "1/(1 + x**2)"


@pytest.mark.parametrize("distance", [0.05, 0.3, 1.0, 2.5])
def test_a_strip_keeps_away_from_poles(distance: float) -> None:
    found = find_strip(_integrands(f"1/(x**2 + {distance}**2)", 1.0, is_analytic=True), Fraction(13))
    assert found is None or found.height < distance
    assert found is not None or distance < 0.25


def test_a_pole_that_is_overlooked_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """A planted fault: the strip is believed to be analytic without looking."""
    formula = parse("1/(1 + x**2)", {"x"})
    right = certified.expectation(formula, {})
    monkeypatch.setattr(strip, "_obstacle", lambda *_: None)
    wrong = certified.expectation(formula, {})
    assert not wrong.agrees_with(right)


def test_an_overlooked_edge_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """A planted fault: the top of the strip is believed to be a thousand million times smaller."""
    formula = parse("cos(3*x)", {"x"})
    right = certified.expectation(formula, {})
    along = strip._along_the_top
    monkeypatch.setattr(strip, "_along_the_top", lambda *a: tuple(top * 1e-30 for top in along(*a) or ()))
    assert certified.expectation(formula, {}).digits != right.digits


def test_what_no_float_holds_is_given_up_at_once() -> None:
    with pytest.raises(CertificateError, match="larger than 2") as caught:
        certified.moments(activation("exp"), std=1000.0)
    assert len(str(caught.value).splitlines()) == 1


def test_a_part_that_no_float_holds_leaves_the_rest() -> None:
    found = certified.moments(activation("exp"), std=45.0)
    assert found["mean"].digits is not None
    assert found["mean"].digits.startswith("5.286")  # exp(45^2/2)
    assert not found["second_moment"].is_defined


def test_time_runs_out() -> None:
    integrand = _integrands("x", 1.0, is_analytic=True)
    found = find_strip(integrand, Fraction(13))
    assert found is not None
    assert trapezoid(integrand, found, 300, lambda: True) is None
