"""The recursion for the largest deviate, against what is known of it otherwise."""

import math

import numpy as np
import pytest

from propstats.expectation.quadrature.rule import gauss_legendre
from propstats.theory.pooling.deviates import density, rectified_maximum
from propstats.theory.pooling.inputs import PoolInput
from propstats.theory.pooling.window import window_moments


def _integral(inputs: int, power: int) -> float:
    nodes, weights = gauss_legendre(24)
    u = (np.arange(20)[:, None] + nodes) / 2
    return float((u**power * density(inputs, u) * weights / 2).sum())


@pytest.mark.parametrize("inputs", [2, 3, 9, 25, 100])
def test_moments_of_the_largest_deviate(inputs: int) -> None:
    """`max(e) = D + mean(e)`, independent of each other: same mean, variance less by 1/n."""
    found = window_moments("max", inputs)
    rounding = 8 * inputs * np.finfo(float).eps  # a few units in each step of the recursion
    assert _integral(inputs, 0) == pytest.approx(1.0, abs=rounding)
    assert _integral(inputs, 1) == pytest.approx(found["mean"].value, abs=2 * rounding)
    var = _integral(inputs, 2) - _integral(inputs, 1) ** 2
    assert var == pytest.approx(found["var"].value - 1 / inputs, abs=20 * rounding)


@pytest.mark.parametrize("correlation", [0.0, 0.3, 0.9])
@pytest.mark.parametrize("mean", [0.0, -1.0, 2.0])
def test_it_is_the_same_for_positive_correlations(correlation: float, mean: float) -> None:
    """The other route conditions on the largest input, and needs a real root of rho."""
    given = PoolInput(mean, 1.5, correlation, rectified=True)
    found = rectified_maximum(9, given)
    other = window_moments("max", 9, mean=mean, var=2.25, correlation=correlation, rectified=True)
    for name, ours in (("mean", "y"), ("second_moment", "yy")):
        gap = abs(other[name].value - found[ours].value)
        assert gap <= other[name].error + found[ours].error
        assert found[ours].error < 1e-12
    dark = other["first"].value - other["other"].value
    assert found["dark"].value == pytest.approx(dark, abs=1e-14)


def test_sum_zero() -> None:
    """At the least correlation the inputs sum to 0, so the larger of three is positive for certain."""
    found = rectified_maximum(3, PoolInput(0.0, 1.0, -0.5, rectified=True))
    assert found["dark"].value == 0.0
    assert found["y"].value == pytest.approx(math.sqrt(1.5) * 3 / (2 * math.sqrt(math.pi)), abs=1e-14)
