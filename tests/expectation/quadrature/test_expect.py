"""Expectations of any function under many Gaussians at once."""

import math

import numpy as np
import pytest
from oracle import oracle_moments

from propstats.activations import activation, activation_names
from propstats.expectation.quadrature import expect


@pytest.mark.parametrize("name", activation_names())
def test_expect_is_good_to_1e_12(name: str) -> None:
    """What its documentation promises for integrands that change on a scale of 1."""
    entry = activation(name)
    means, stds = np.array([0.0, 0.3, -8.0, 10.0]), np.array([1.0, 1.7, 1.0, 0.01])
    found = expect(entry, mean=means, std=stds, kinks=entry.kinks)
    for value, mean, std in zip(found, means.tolist(), stds.tolist(), strict=True):
        exact = float(oracle_moments(name, mean, std)["mean"])
        assert abs(float(value) - exact) <= 1e-12 * (1 + abs(exact))


@pytest.mark.parametrize("power", range(9))
def test_expect_of_powers(power: int) -> None:
    exact = 0.0 if power % 2 else float(math.prod(range(1, power, 2)))
    found = float(expect(lambda x: x**power, mean=0.0, std=1.0))
    # Beyond 12 standard deviations nothing is left: 12^8 exp(-72) < 1e-22. Sums of 400 terms of size (2n-1)!!.
    assert abs(found - exact) <= 1e-13 * max(math.prod(range(1, power + 1, 2)), 1)


def test_expect_shapes_and_point_masses() -> None:
    means = np.array([[-1.0, 0.5, 2.0]])
    found = expect(np.abs, mean=means, std=np.zeros((2, 1)), kinks=(0.0,))
    assert found.shape == (2, 3)
    assert np.allclose(found, np.abs(means), rtol=1e-14)
    assert expect(np.abs, mean=0.0, std=1.0).shape == ()


def test_a_forgotten_kink_costs_digits() -> None:
    """Splitting at the kink is what makes it converge: without it the third digit is already wrong."""
    exact = math.sqrt(2 / math.pi) * math.exp(-0.5 * 0.37**2) + 0.37 * math.erf(0.37 / math.sqrt(2))
    split = float(expect(np.abs, mean=0.37, std=1.0, kinks=(0.0,)))
    whole = float(expect(np.abs, mean=0.37, std=1.0))
    assert abs(split - exact) < 1e-13 < abs(whole - exact)
