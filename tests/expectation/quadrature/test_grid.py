"""Nodes that many inputs share."""

import math

import numpy as np
import pytest

from propstats.activations import Activation, activation, activation_names
from propstats.expectation.quadrature import charts
from propstats.expectation.quadrature import grid as room
from propstats.expectation.quadrature.averages import Grid
from propstats.expectation.quadrature.branches import branches
from propstats.expectation.quadrature.grid import grid
from propstats.expectation.quadrature.panels import SQRT_2PI

EPS = 2.0**-52


def _grid(name: str, low: int = -24, high: int = 24, unit: float = 1.0) -> Grid:
    own = branches(activation(name))
    found = grid(own, low, high, (low + high) // 2, unit, 13.0 if own.is_steep else 9.0)
    assert found is not None
    return found


@pytest.mark.parametrize("name", activation_names())
def test_phi_and_its_slope_at_the_nodes(name: str) -> None:
    own, entry = _grid(name), activation(name)
    assert (np.diff(own.x) > 0.0).all()
    assert np.allclose(own.f, entry(own.x), rtol=64 * EPS, atol=0.0)
    assert np.allclose(own.d, entry.slope(own.x), rtol=256 * EPS, atol=1e-300)


@pytest.mark.parametrize("name", ["tanh", "gelu", "relu", "elu", "softsign"])
@pytest.mark.parametrize("std", [1.0, 2.0])
def test_the_rules_integrate_the_density_of_each_input(name: str, std: float) -> None:
    """Mass 1 and mean mu, wherever the nodes are."""
    own, mu = _grid(name, -24, 24), 0.7
    density = np.exp(-0.5 * ((own.x - mu) / std) ** 2) / (SQRT_2PI * std) * own.weights
    assert math.isclose(density.sum(), 1.0, rel_tol=32 * EPS)
    assert math.isclose(density @ own.x, mu, rel_tol=64 * EPS)


@pytest.mark.parametrize("name", ["asinh", "atan", "tanh", "bent_identity"])
def test_poles_have_coordinates_of_their_own(name: str) -> None:
    """Nodes grow sparse with the distance from the poles: over a wide window there are few."""
    own = _grid(name, -200, 200)
    steps = np.diff(own.x)
    assert steps.max() > 5 * steps.min()
    assert own.x.size < 400


def test_coordinates_that_do_not_help_are_not_taken() -> None:
    """tanh(x) sin(3 x) oscillates as fast far from the poles as near them."""
    own = grid(branches(Activation("own", "tanh(x)*sin(3*x)")), -24, 24, 0, 1.0, 9.0)
    assert own is not None
    assert np.allclose(np.diff(own.x), own.x[1] - own.x[0], rtol=1e-12)


def test_nodes_that_finer_ones_contradict_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    spread = charts.evenly
    monkeypatch.setattr(
        room, "evenly", lambda chart, scale, ends, inputs, finer: spread(chart, scale, ends, inputs, finer / 4)
    )
    assert grid(branches(Activation("planted", "tanh(3*x + 0)")), -24, 24, 0, 1.0, 9.0) is None


def test_far_from_0_nodes_are_counted_from_their_middle() -> None:
    own = _grid("silu", 90, 114)
    assert own.origin == 102.0
    assert np.allclose(own.f, activation("silu")(102.0 + own.x), rtol=8 * EPS)


def test_bounds_on_what_lies_beyond() -> None:
    """E[x^2] of the identity beyond 12, for an input 9 standard deviations from there: it knows that from probes."""
    own = _grid("identity", -12, 12)
    for std in (1.0, 2.0):
        z = np.linspace(9.0, 30.0, 20_001)
        mean = 12.0 - 9.0 * std
        density = np.exp(-0.5 * z * z) / SQRT_2PI
        exact = (density * (mean + std * z) ** 2).sum() * (z[1] - z[0])
        assert exact <= own.beyond[3] * math.exp(-0.5 * 81.0) / SQRT_2PI <= 100 * exact


def test_no_nodes_where_there_is_nothing_to_integrate_or_too_much() -> None:
    assert grid(branches(activation("relu")), -30, -10, -20, 1.0, 10.0) is None  # constant
    assert grid(branches(activation("sin")), -(10**6), 10**6, 0, 1.0, 9.0) is None
