import math

import numpy as np
import pytest
from numpy.typing import NDArray
from oracle import oracle_moments

from propstats.activations import Activation, activation, activation_names
from propstats.expectation import quadrature
from propstats.expectation.quadrature import breakpoints, expect, slope_law

Array = NDArray[np.float64]


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


def test_breakpoints_hold_the_kinks() -> None:
    edges = breakpoints(0.3, 1.7, (0.0, 1.0))
    assert np.all(np.diff(edges) > 0)
    for kink in (0.0, 1.0):
        assert np.abs(edges - (kink - 0.3) / 1.7).min() < 1e-15
    assert edges[0] == -38.0
    assert edges[-1] == 38.0


@pytest.mark.parametrize("sharpness", [10.0, 1e3, 1e6])
def test_adaptive_panels_find_a_narrow_feature(sharpness: float) -> None:
    """A steep tanh away from every prepared edge: E[tanh(k (x - c))] tends to 1 - 2 Phi(c), at 1/k^2."""
    centre = 0.4321
    entry = Activation("steep", f"tanh({sharpness}*(x - {centre}))")
    found = quadrature.moments(entry)["mean"]
    exact = 1 - 2 * 0.5 * math.erfc(-centre / math.sqrt(2))
    # Euler-Maclaurin: the next term is pi^2/12 density'(c)/k^2, below 1/k^2.
    assert abs(found.value - exact) <= found.error + 1 / sharpness**2
    assert found.error < 1e-13


def test_what_does_not_converge_says_so() -> None:
    """A jump that is not declared (round-off noise of a huge sine): the error must own up."""
    entry = Activation("noise", "sin(1e17*x)")
    found = quadrature.moments(entry)["second_moment"]
    assert found.error > 1e-3


@pytest.mark.parametrize("name", activation_names())
def test_slope_law_has_the_slopes_moments(name: str) -> None:
    for mean, std in ((0.0, 1.0), (0.3, 1.7)):
        law = slope_law(activation(name), mean, std)
        exact = quadrature.moments(activation(name), mean=mean, std=std)["slope_second_moment"]
        assert math.isclose(float(law.weights.sum()), 1.0, rel_tol=1e-14)
        assert abs(law.moment(1) - exact.value) <= exact.error + 1e-14
        assert np.all(np.diff(law.values) > 0)
        assert law.moment(2) >= law.moment(1) ** 2 * (1 - 1e-14)


@pytest.mark.parametrize(
    ("name", "mean", "std", "zero"),
    [
        ("relu", 0.3, 1.7, 0.5 * math.erfc(0.3 / 1.7 / math.sqrt(2))),
        ("hardtanh", 0.0, 1.0, math.erfc(1 / math.sqrt(2))),
        ("identity", 0.0, 1.0, 0.0),
        ("tanh", 0.0, 1.0, 0.0),
    ],
)
def test_slope_law_atom(name: str, mean: float, std: float, zero: float) -> None:
    assert math.isclose(slope_law(activation(name), mean, std).at_zero, zero, rel_tol=1e-13, abs_tol=1e-15)


def test_slope_law_of_a_point_mass() -> None:
    law = slope_law(activation("prelu"), -1.0, 0.0)
    assert law.values.tolist() == [0.0625]
    assert law.weights.tolist() == [1.0]
