"""Certified digits against the thirty-digit oracle, closed forms, published digits, and planted faults."""

import math
import time
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import flint
import mpmath
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import DIGITS, ORACLE_ERROR, exact_derived, exactly, oracle_moments

from propstats.activations import activation, activation_names
from propstats.activations.activation import Activation
from propstats.activations.pieces import Piece
from propstats.activations.syntax import parse
from propstats.errors import CertificateError, DomainError, ExpressionError
from propstats.estimate import Estimate, Route
from propstats.expectation import certified, closed_form
from propstats.expectation.moments import BASE, DERIVED


def value(estimate: Estimate) -> Any:
    """The number as printed, and nothing else."""
    assert estimate.digits is not None
    with mpmath.workdps(DIGITS):
        return mpmath.mpf(estimate.digits)


def distance(estimate: Estimate, truth: Any) -> float:
    with mpmath.workdps(DIGITS):
        return float(abs(value(estimate) - truth))


def own(text: str, **params: float) -> Activation:
    return Activation(text, text, params)


@pytest.mark.parametrize("name", ["tanh", "gelu", "elu", "silu", "hardtanh", "softplus", "sin", "softsign", "step"])
@pytest.mark.parametrize(("mean", "std"), [(0.0, 1.0), (-1.5, 0.7)])
def test_the_oracle_agrees(name: str, mean: float, std: float) -> None:
    found = certified.moments(activation(name), mean=mean, std=std)
    truth = oracle_moments(name, mean, std)
    assert found.keys() == {*BASE, *DERIVED}
    for key in BASE:
        estimate = found[key]
        assert estimate.route is Route.CERTIFIED
        assert distance(estimate, truth[key]) <= 2 * ORACLE_ERROR * (1 + abs(truth[key])), key
        # The value is the nearest float, and its error includes that rounding.
        assert abs(estimate.value - float(truth[key])) <= estimate.error + ORACLE_ERROR
        assert estimate.error <= math.ulp(max(abs(estimate.value), 1e-20))


@pytest.mark.parametrize(("mean", "std"), [(0.0, 1.0), (-1.5, 0.7)])
def test_derived_quantities(mean: float, std: float) -> None:
    found, truth = certified.moments(activation("tanh"), mean=mean, std=std), oracle_moments("tanh", mean, std)
    for name in DERIVED:
        assert distance(found[name], exact_derived(name, truth, std)) <= 1e-22, name


@settings(max_examples=12, deadline=None)
@given(mean=st.floats(-3, 3), std=st.floats(0.05, 4), slope=st.floats(-2, 2))
def test_random_gaussians(mean: float, std: float, slope: float) -> None:
    """Against closed forms evaluated with thirty digits, at whatever parameters."""
    unit = activation("prelu", a=slope)
    found = certified.moments(unit, mean=mean, std=std)
    for name, formula in closed_form.formulas(unit, mean=mean, std=std).items():
        if name in BASE:
            truth = exactly(formula, {"mu": mean, "s": std, "a": slope})
            assert distance(found[name], truth) <= 1e-27 * (1 + abs(truth)), name


PUBLISHED: Mapping[str, Mapping[str, str]] = {
    # mpmath, forty digits, tabulated before propstats was written
    "tanh": {"second_moment": "0.394294490397841174416459772444119561"},
    "relu": {"mean": "0.398942280401432677939946059934381868"},  # 1/sqrt(2 pi)
    "gelu": {"mean": "0.282094791773878143474039725780386293"},  # 1/(2 sqrt(pi))
}


@pytest.mark.parametrize("name", sorted(PUBLISHED))
def test_published_digits(name: str) -> None:
    found = certified.moments(activation(name), digits=36)
    for key, digits in PUBLISHED[name].items():
        assert found[key].digits == digits


def test_many_digits_of_a_closed_form() -> None:
    """Two routes to 200 digits that share nothing but ball arithmetic: an integral, and 1/sqrt(pi)."""
    by_integral = certified.expectation(parse("2*x*Phi(x)", {"x"}), {}, digits=200)
    by_formula = certified.constant(parse("1/sqrt(pi)", set()), {}, digits=200)
    assert by_integral.digits == by_formula.digits
    assert len(by_integral.digits or "") == 202


def test_what_follows_from_several_expectations() -> None:
    """The variance of the largest of two, 1 - 1/pi; what is exactly 0; a symbol that is a fraction."""
    integrals = {"m": parse("2*x*Phi(x)", {"x"}), "q": parse("2*x**2*Phi(x)", {"x"})}
    results = {
        name: parse(text, {"m", "q", "t"}) for name, text in (("var", "q - m**2"), ("none", "q - q"), ("third", "q*t"))
    }
    found = certified.combinations(integrals, results, {"t": Fraction(1, 3)}, digits=30)
    exact = certified.constant(parse("1 - 1/pi", set()), {}, digits=30)
    assert found["var"].digits == exact.digits
    assert found["third"].digits == "0." + "3" * 30
    assert abs(found["none"].value) <= found["none"].error < 1e-29
    with pytest.raises(CertificateError, match="not proven within"):
        certified.combinations(integrals, results, {"t": 1.0}, timeout=1e-9)
    with pytest.raises(DomainError):
        certified.combinations({"m": parse("exp(x**2)", {"x"})}, {"m": parse("m", {"m"})}, {})


@pytest.mark.parametrize(
    ("inputs", "mean"),
    [
        (2, "0.5641895835477563"),  # 1/sqrt(pi)
        (4, "1.029375373004"),  # 6 atan(sqrt(2))/pi^(3/2)
        (9, "1.4850131622092"),
        (16, "1.7659913930548"),
        (25, "1.9653146097536"),
    ],
)
def test_the_largest_of_several(inputs: int, mean: str) -> None:
    """Max pooling: the largest of k has the density k phi Phi^(k-1)."""
    found = certified.expectation(parse(f"{inputs}*x*Phi(x)**{inputs - 1}", {"x"}), {})
    assert abs(found.value - float(mean)) <= 10.0 ** (2 - len(mean))  # a unit of the last digit


@pytest.mark.parametrize(
    ("name", "mean", "std", "key", "digits"),
    [
        # mpmath, fifty digits
        ("tanh", -8.0, 1.0, "var", "1.47559576673908495632907314329e-10"),
        ("relu", -12.0, 1.0, "mean", "1.46052011698455478015266857992e-34"),
        ("sin", 1.0, 1000.0, "mean", "0.000000000000000000000000000000"),  # sin(1) exp(-500000)
        ("relu", 0.0, 1e6, "mean", "398942.280401432677939946059934"),
        ("tanh", 0.0, 1e6, "mean_slope", "7.97884560802537239006023186149e-7"),
        ("exp", 0.0, 30.0, "mean", "2.70717827678699832337331048581e+195"),  # exp(450)
    ],
)
def test_numbers_that_are_hard_to_get(name: str, mean: float, std: float, key: str, digits: str) -> None:
    found = certified.moments(activation(name), mean=mean, std=std)[key]
    with mpmath.workdps(40):
        assert mpmath.mpf(found.digits) == mpmath.mpf(digits)


@pytest.mark.parametrize("name", ["tanh", "relu", "softsign", "asinh"])
@pytest.mark.parametrize(("mean", "std"), [(0.3, 1e-12), (1e6, 1e-12), (0.0, 1e6), (-1e6, 1.0)])
def test_extreme_inputs(name: str, mean: float, std: float) -> None:
    found = certified.moments(activation(name), mean=mean, std=std, digits=12)
    unit = activation(name)
    assert found["mean"].is_defined
    if std < 1e-6:
        slope = float(unit.slope(mean))
        assert found["mean"].value == pytest.approx(float(unit(mean)), rel=1e-12)
        assert found["var"].value == pytest.approx((std * slope) ** 2, rel=1e-5, abs=1e-200)


def test_an_input_that_is_one_number() -> None:
    found = certified.moments(activation("tanh"), mean=0.5, std=0.0, digits=40)
    with mpmath.workdps(50):
        assert abs(mpmath.mpf(found["mean"].digits) - mpmath.tanh(0.5)) < 1e-40
    assert found["var"] == Estimate(0.0, 0.0, Route.CERTIFIED, digits="0." + "0" * 40)
    assert not found["jacobian_factor"].is_defined


def test_jumps_count() -> None:
    """A step at k has mean Phi(-k), so linear_slope = p(k), though its slope is 0 on both sides."""
    found = certified.moments(own("where(x > k, 1, 0)", k=0.5))
    density = certified.constant(parse("phi(1/2)", set()), {})
    assert found["linear_slope"].digits == density.digits
    assert found["mean_slope"].value == 0.0


def test_zero_is_printed_with_the_decimals_that_are_proven() -> None:
    found = certified.moments(activation("tanh"), digits=20)["mean"]
    assert found.digits == "0." + "0" * 20
    assert found.value == 0.0
    assert 0.0 < found.error <= 0.5e-20


def test_more_digits_begin_like_fewer() -> None:
    long = certified.constant(parse("1/3 + 0*x", {"x"}), {"x": 0.0}, digits=50).digits
    assert long == "0." + "3" * 50
    assert certified.constant(parse("2/3", set()), {}, digits=5).digits == "0.66667"


class TestPlantedFaults:
    """What a wrong certificate would look like must be seen from outside."""

    @pytest.mark.parametrize("kink", ["1e-6", "-1/100"])
    def test_a_wrong_kink(self, kink: str) -> None:
        good = activation("hardtanh")
        low, middle, high = good.pieces
        bad = activation("hardtanh", max_val=1.0)
        wrong = parse(f"max_val + {kink}", {"max_val"})
        bad.__dict__["pieces"] = (low, Piece(middle.low, wrong, middle.formula), Piece(wrong, None, high.formula))
        exact = closed_form.moments(good)
        assert all(certified.moments(good)[key].agrees_with(exact[key]) for key in exact)
        assert not certified.moments(bad)["second_moment"].agrees_with(exact["second_moment"])

    def test_a_wrong_last_digit(self) -> None:
        near = own("tanh(x) + 1e-24*exp(-x**2)")
        right, wrong = certified.moments(activation("tanh")), certified.moments(near)
        assert right["mean"].digits != wrong["mean"].digits

    def test_tails_that_are_forgotten(self, monkeypatch: pytest.MonkeyPatch) -> None:
        from propstats.expectation.certified.tails import Tails

        def too_short(self: Tails, exponents: list[int]) -> tuple[Fraction, list[Any]]:
            return Fraction(3), [flint.arb(0)] * len(exponents)

        monkeypatch.setattr(Tails, "cut", too_short)
        wrong = certified.expectation(parse("max(x, 0)**2", {"x"}), {})
        assert not wrong.agrees_with(Estimate(0.5, 0.0, Route.CLOSED_FORM))


class TestRefusals:
    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("exp(x**2)", r"exp\(x\*\*2\) does not exist: it outgrows the density of N\(0, 1\)"),
            ("exp(x**2/2)", "does not exist"),
            ("1/x", "it has a pole at x = 0, which N.0, 1. reaches"),
            ("x/(x - 1/2)**2", "pole at x = 0.5"),
            ("log(x)", r"log\(x\) is not defined at x = -"),
            ("sqrt(x)", r"sqrt\(x\) is not defined at x = -"),
            ("(1 - cos(x))/x**2", r"\(1 - cos\(x\)\)/x\*\*2 is not defined at x = 0"),
            ("log(abs(x))/x", "it is not integrable at x = 0, which N.0, 1. reaches"),
        ],
    )
    def test_what_does_not_exist(self, text: str, message: str) -> None:
        with pytest.raises(DomainError, match=message):
            certified.moments(own(text))
        with pytest.raises(DomainError, match=message):
            certified.expectation(parse(text, {"x"}), {})

    def test_what_exists_in_part(self) -> None:
        """E[exp(0.3 x^2)] = 1/sqrt(0.4), but its square has no mean."""
        found = certified.moments(own("exp(0.3*x**2)"))
        assert found["mean"].digits == certified.constant(parse("1/sqrt(0.4)", set()), {}).digits
        assert not found["second_moment"].is_defined
        assert not found["var"].is_defined

    def test_a_slope_that_is_not_integrable(self) -> None:
        found = certified.moments(own("sqrt(abs(x))"))
        assert found["second_moment"].digits == certified.constant(parse("sqrt(2/pi)", set()), {}).digits
        assert not found["slope_second_moment"].is_defined

    @pytest.mark.parametrize("text", ["where(x**2 > 2, x, 0)"])
    def test_kinks_that_are_not_known(self, text: str) -> None:
        with pytest.raises(ExpressionError, match="cannot find all points"):
            certified.moments(own(text))

    @pytest.mark.parametrize("digits", [0, -1, 1001])
    def test_digits_out_of_range(self, digits: int) -> None:
        with pytest.raises(DomainError, match="digits must be between 1 and 1000"):
            certified.moments(activation("relu"), digits=digits)

    @pytest.mark.parametrize("timeout", [0.0, -1.0, math.nan, math.inf])
    def test_a_timeout_that_is_none(self, timeout: float) -> None:
        with pytest.raises(DomainError, match="timeout must be a positive number"):
            certified.moments(activation("relu"), timeout=timeout)

    @pytest.mark.parametrize(("mean", "std"), [(math.nan, 1.0), (0.0, -1.0), (0.0, math.inf)])
    def test_no_gaussian(self, mean: float, std: float) -> None:
        with pytest.raises(DomainError, match="finite"):
            certified.moments(activation("relu"), mean=mean, std=std)

    @pytest.mark.parametrize("text", ["sqrt(-1)", "log(0)", "1/(sqrt(2)**2 - 2)"])
    def test_constants_without_a_value(self, text: str) -> None:
        with pytest.raises(DomainError, match="no finite value"):
            certified.constant(parse(text, set()), {})

    def test_time_is_kept(self) -> None:
        """Millions of periods: the answer is known, but not by integrating each of them."""
        start = time.monotonic()
        with pytest.raises(CertificateError, match=r"not proven within 0\.3 s \(ask for fewer digits"):
            certified.moments(activation("sin"), std=1e6, timeout=0.3)
        assert time.monotonic() - start < 1.5


@pytest.mark.parametrize("bits", [53, 217])
def test_the_precision_of_others_stays(bits: int) -> None:
    before = flint.ctx.prec
    try:
        flint.ctx.prec = bits
        certified.moments(activation("elu"), digits=40)
        certified.constant(parse("pi", set()), {}, digits=100)
        with pytest.raises(DomainError):
            certified.moments(own("1/x"))
        with pytest.raises(CertificateError):
            certified.moments(activation("sin"), std=1e6, timeout=0.05)
        assert flint.ctx.prec == bits
    finally:
        flint.ctx.prec = before


@pytest.mark.parametrize("name", activation_names())
def test_the_float_states_its_own_rounding(name: str) -> None:
    """What is printed and the float differ by no more than the error says, and the error is no larger than that."""
    for mean, std in ((0.0, 1.0), (-8.0, 1.0)):
        for key, estimate in certified.moments(activation(name), mean=mean, std=std).items():
            if estimate.digits is None:
                assert not estimate.is_defined
                continue
            printed, _, power = estimate.digits.partition("e")
            unit = Fraction(10) ** (int(power or 0) - len(printed.partition(".")[2]))
            gap = abs(Fraction(estimate.digits) - Fraction(estimate.value))
            assert gap <= Fraction(estimate.error) + unit / 2, key
            assert estimate.error <= math.ulp(estimate.value) / 2 + float(unit), key
