"""Inputs so narrow that phi is a straight line for them."""

import math

import mpmath
import numpy as np
import pytest
from oracle import exactly

from propstats.activations import activation, activation_names
from propstats.estimate import Estimate, Route
from propstats.expectation import closed_form, quadrature
from propstats.expectation.moments import BASE
from propstats.expectation.quadrature import straight


@pytest.mark.parametrize("name", activation_names())
@pytest.mark.parametrize(("mean", "std"), [(1.25, 1e-310), (-1.25, 5e-324), (-2.5, 1e-160), (3e2, 1e-20)])
def test_the_point_mass_and_its_first_order(name: str, mean: float, std: float) -> None:
    entry = activation(name)
    f, d = (exactly(g, {"x": mean, **entry.params}) for g in (entry.formula, entry.slope_formula))
    found = quadrature.moments(entry, mean=mean, std=std)
    with mpmath.workdps(34):
        s = mpmath.mpf(std)
        exact = {"mean": f, "second_moment": f * f, "var": (s * d) ** 2, "mean_slope": d,
                 "slope_second_moment": d * d, "linear_slope": d, "var_rate": (s * d) ** 2}  # fmt: skip
        for key, value in exact.items():
            assert abs(mpmath.mpf(found[key].value) - value) <= found[key].error, key
            assert found[key].error <= 1e-10 * (1 + abs(value)), key


def test_ratios_do_not_underflow() -> None:
    """s phi' cancels in them; the variance itself is 10^-620."""
    found = quadrature.moments(activation("tanh"), mean=1.0, std=1e-310)
    for name, exact in (("jacobian_factor", 1.0), ("stability_slope", 1.0), ("nonlinear_share", 0.0)):
        assert abs(found[name].value - exact) <= found[name].error <= 1e-14
    scale = quadrature.moments(activation("tanh"), mean=1.0, std=1e-200)["normprop_scale"]
    assert math.isclose(scale.value, 1e-200 / math.cosh(1.0) ** 2, rel_tol=1e-14)


def test_a_kink_within_reach_is_no_straight_line() -> None:
    """relu around its kink: E = s/sqrt(2 pi), whatever s; just beside it, the identity."""
    assert straight.line(activation("relu"), 0.0, 1e-300) is None
    beside = straight.line(activation("relu"), 1e-200, 1e-300)
    assert beside is not None
    assert beside.base["mean_slope"].value == 1.0
    found = quadrature.moments(activation("relu"), mean=0.0, std=1e-300)["mean"]
    assert math.isclose(found.value, 1e-300 / math.sqrt(2 * math.pi), rel_tol=1e-13)


def test_one_by_one_among_many() -> None:
    means, stds = np.array([1.0, -1.0, 2.0, 0.5]), np.array([1e-310, 1e-200, 1.0, 0.0])
    found = quadrature.values(activation("prelu"), means, stds, a=[0.1, 0.2, 0.3, 0.4])
    assert np.isfinite(found.moments).all()
    assert found["mean_slope"][:2].tolist() == [1.0, 0.2]
    assert found["mean"][:2].tolist() == [1.0, -0.2]


@pytest.mark.parametrize("name", ["tanh", "relu", "erf", "gelu", "cos"])
@pytest.mark.parametrize("mean", [0.0, 1e-310, -1.0, 1e20, -1e300])
@pytest.mark.filterwarnings("error")
def test_extremes_contain_the_closed_form(name: str, mean: float) -> None:
    """No warnings, and no number that contradicts a formula; among others as alone."""
    entry = activation(name)
    for std in (5e-324, 1e-300, 1e-160, 1.0, *(() if name == "cos" else (1e20, 1e150))):
        closed, found = (route.moments(entry, mean=mean, std=std) for route in (closed_form, quadrature))
        many = quadrature.values(entry, [mean, 1.0], [std, 1.0])
        for key in BASE:
            other = Estimate(float(many[key][0]), float(many.error(key)[0]), Route.QUADRATURE)
            assert found[key].agrees_with(other), (std, key)
            assert found[key].agrees_with(closed.get(key, other)), (std, key)
