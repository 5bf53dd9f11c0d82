"""The distribution of the squared slope."""

import math

import numpy as np
import pytest

from propstats.activations import activation, activation_names
from propstats.expectation import quadrature
from propstats.expectation.quadrature import slope_law


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
