"""Power-average windows: integrals against closed forms, sampling of torch's LPPool, and what it refuses."""

import math
from fractions import Fraction
from typing import Any

import pytest
import torch
from torch.nn import functional

from propstats import Route
from propstats.errors import DomainError
from propstats.theory.pooling.combine import combined
from propstats.theory.pooling.inputs import PoolInput
from propstats.theory.pooling.laplace import length, power_sums
from propstats.theory.pooling.law import evaluate_law
from propstats.theory.pooling.power import power_mean
from propstats.theory.pooling.window import WindowFunction, part_of, window_moments


@pytest.mark.parametrize(
    ("power", "rectified"), [(1, False), (2, False), (4, False), (1, True), (2, True), (2.5, True), (3, True)]
)
@pytest.mark.parametrize(
    ("inputs", "mean", "std"),
    [(1, 0.6, 1.4), (2, -0.8, 0.5), (3, 0.0, 1.0), (9, 0.6, 1.4), (4, 0.7, 0.0), (4, -0.7, 0.0), (4, 0.0, 0.0)],
)
def test_routes_agree(inputs: int, power: float, rectified: bool, mean: float, std: float) -> None:
    function = WindowFunction("lp", power=power, scale=Fraction(4, 3))
    for correlation in (0.0, 0.4, 1.0):
        given = PoolInput(mean, std, correlation, rectified)
        part = part_of(
            function, inputs, given, digits=20, timeout=10.0, samples=4_000, seed=1, stream=inputs, device="cpu"
        )
        for name in part.law.results:
            if inputs == 1 and name == "other":
                continue  # there is none
            quantity = combined([part], [{name: Fraction(1)}])
            assert quantity.agree, (correlation, name, quantity)
            assert Route.SAMPLING in quantity.routes
            assert quantity.error <= 1e-10 * (1.0 + abs(quantity.value))


@pytest.mark.parametrize("inputs", [2, 3, 4, 9, 25])
def test_mean_length_of_gaussians(inputs: int) -> None:
    """sqrt(2) Gamma((n + 1)/2)/Gamma(n/2), by formula, in balls, and by two integrals that do not know each other."""
    exact = math.sqrt(2) * math.exp(math.lgamma((inputs + 1) / 2) - math.lgamma(inputs / 2))
    found = evaluate_law(power_mean(inputs, 2.0, PoolInput())).by_route
    for route in (Route.CLOSED_FORM, Route.CERTIFIED):
        assert found[route]["mean"].value == pytest.approx(exact, rel=1e-14)
    for number in (length(inputs, 0.0, 0.0), power_sums(inputs, 2.0, 0.0, 0.0, rectified=False)["root"]):
        assert abs(number.value - exact) <= number.error + 1e-14 * exact
        assert number.error < 1e-11


@pytest.mark.parametrize(("shift", "correlation"), [(0.0, 0.5), (1.3, 0.0), (-2.0, 0.7)])
def test_two_integrals_for_one_length(shift: float, correlation: float) -> None:
    first, second = length(4, shift, correlation), power_sums(4, 2.0, shift, correlation, rectified=False)["root"]
    assert abs(first.value - second.value) <= first.error + second.error
    assert first.error < 1e-12


def test_length_of_inputs_that_sum_to_zero() -> None:
    """Of n inputs with correlation -1/(n - 1), n - 1 are free: a length of n - 1 Gaussians, stretched."""
    for inputs in (2, 3, 9):
        found = length(inputs, 0.0, -1 / (inputs - 1))
        free = math.sqrt(2) * math.exp(math.lgamma(inputs / 2) - math.lgamma((inputs - 1) / 2))
        exact = math.sqrt(inputs / (inputs - 1)) * free
        assert abs(found.value - exact) <= found.error + 1e-14


def test_slopes_of_a_length_add_up_to_one() -> None:
    for rectified, dark in ((False, 0.0), (True, 0.5**4)):
        found = power_sums(4, 2.0, 0.0, 0.0, rectified=rectified)["share"]
        assert abs(4 * found.value - (1 - dark)) <= 4 * found.error + 1e-14
    assert window_moments("lp", 4)["other"].value == 0.25
    assert window_moments("lp", 4, rectified=True)["other"].value == pytest.approx((1 - 0.5**4) / 4, abs=1e-15)


def test_large_powers_come_close_to_the_largest() -> None:
    """`max <= (sum x^p)^(1/p) <= n^(1/p) max`."""
    largest = window_moments("max", 4, rectified=True)["mean"].value
    found = window_moments("lp", 4, rectified=True, power=16.0)["mean"].value
    assert largest < found < 4 ** (1 / 16) * largest


def test_what_is_refused_is_nan_in_torch() -> None:
    x = torch.tensor([[[-1.0, -2.0, 0.5]]])
    for power in (2.5, 3.0):
        assert functional.lp_pool1d(x, power, 3).isnan().all()
        with pytest.raises(DomainError, match="torch returns NaN"):
            window_moments("lp", 3, power=power)
        window_moments("lp", 3, power=power, rectified=True)


@pytest.mark.parametrize("power", [0.5, 1.05, 17.0, math.nan])
def test_powers_out_of_range(power: float) -> None:
    with pytest.raises(DomainError, match="power must be 1 or between"):
        window_moments("lp", 3, power=power, rectified=True)


def test_negative_correlation() -> None:
    found = window_moments("lp", 3, correlation=-0.5)
    assert found["mean"].value == pytest.approx(math.sqrt(1.5 * math.pi / 2), abs=1e-12)
    unknown: list[dict[str, Any]] = [{"power": 4.0}, {"rectified": True}]
    for options in unknown:
        with pytest.raises(DomainError, match="negatively correlated"):
            window_moments("lp", 3, correlation=-0.5, **options)
