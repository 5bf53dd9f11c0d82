"""Every activation at every input: closed form = certified = quadrature, sampling within five standard errors."""

import math

import numpy as np
import pytest

from propstats.activations import activation, activation_names
from propstats.estimate import Route
from propstats.expectation.moments import BASE
from propstats.theory.unit import quantities

_EVERYDAY = [(0.0, 1.0), (0.3, 1.7)]
_CORNERS = [(-8.0, 1.0), (10.0, 0.01), (50.0, 1.0), (1.0, 0.0), (0.0, 1e3)]
#: Moments in which positive and negative parts may cancel, and the square of their natural size.
_SIGNED = {
    "mean": "second_moment",
    "mean_slope": "slope_second_moment",
    "linear_slope": "slope_second_moment",
    "var_rate": "second_moment",
}


def _check(name: str, mean: float, std: float) -> None:
    with np.errstate(over="ignore"):
        found, notes = quantities(activation(name), mean=mean, std=std, samples=20_000, seed=1)
    if name == "exp" and std > 100:  # exp(5e5) is no number that a float holds
        assert "larger than 2^4096" in notes[0]
        assert not any(q.route is Route.QUADRATURE and math.isfinite(q.value) for q in found.values())
        return
    assert not notes
    for quantity, q in found.items():
        assert q.agree, (quantity, q)
    for quantity in BASE:
        routes = found[quantity].routes
        proven = routes[Route.CERTIFIED]
        assert proven.digits is not None or not proven.is_defined, quantity
        for route in (Route.CLOSED_FORM, Route.QUADRATURE):
            if route in routes and proven.is_defined and routes[route].is_defined:
                gap = abs(routes[route].value - proven.value)
                size = abs(proven.value)
                # What is 0 by symmetry, or nearly so (SELU's mean), is as good as what cancels in it.
                natural = found[_SIGNED[quantity]].value ** 0.5 if quantity in _SIGNED else size
                cancels = size <= 1e-12 * natural
                allowed = 1e-14 * max(size, natural, 1.0) if size >= 1e-6 or cancels else 1e-9 * size
                if route is Route.CLOSED_FORM and routes[route].error >= size:
                    continue  # it says itself that all its digits are lost: erf's variance of 1e-91
                # Below this the moments themselves underflow.
                assert gap <= allowed + 1e-300, (quantity, route, routes[route], proven)


@pytest.mark.parametrize("name", activation_names())
@pytest.mark.parametrize(("mean", "std"), _EVERYDAY)
def test_everyday_inputs(name: str, mean: float, std: float) -> None:
    _check(name, mean, std)


@pytest.mark.slow
@pytest.mark.parametrize("name", activation_names())
@pytest.mark.parametrize(("mean", "std"), _CORNERS)
def test_corners(name: str, mean: float, std: float) -> None:
    _check(name, mean, std)


@pytest.mark.parametrize("name", activation_names())
@pytest.mark.parametrize(("mean", "std"), _EVERYDAY)
def test_poincare(name: str, mean: float, std: float) -> None:
    """s^2 E[phi'^2] >= Var phi, with equality for affine functions alone; what jumps has no slope to square."""
    entry = activation(name)
    if entry.jumps:
        pytest.skip("its slope has a delta, whose square has no integral")
    found, _ = quantities(entry, mean=mean, std=std)
    var, energy = found["var"], found["slope_second_moment"]
    gap, bound = std**2 * energy.value - var.value, std**2 * energy.error + var.error + 4 * math.ulp(var.value)
    assert abs(gap) <= bound if name == "identity" else gap > bound, (var, energy)
