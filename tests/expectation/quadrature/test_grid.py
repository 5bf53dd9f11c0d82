"""Nodes that many inputs share."""

import math

import numpy as np
import pytest

from propstats.activations import Activation, activation, activation_names
from propstats.expectation.quadrature.branches import branches
from propstats.expectation.quadrature.grid import CHECKED, GAUSS, ROWS, Grid, grid
from propstats.expectation.quadrature.panels import SQRT_2PI

EPS = 2.0**-52


def _grid(name: str, low: int = -12, high: int = 12, unit: float = 1.0) -> Grid:
    found = grid(branches(activation(name)), low, high, unit, 9.0, 1)
    assert found is not None
    return found


@pytest.mark.parametrize("name", activation_names())
def test_phi_and_its_slope_at_the_nodes(name: str) -> None:
    own, entry = _grid(name, -6, 6), activation(name)
    assert (np.diff(own.x) > 0.0).all()
    assert np.allclose(own.f, entry(own.x), rtol=64 * EPS, atol=0.0)
    assert np.allclose(own.d, entry.slope(own.x), rtol=256 * EPS, atol=1e-300)


@pytest.mark.parametrize(("name", "kind"), [("tanh", 0), ("relu", GAUSS), ("elu", CHECKED)])
@pytest.mark.parametrize("std", [1.0, 2.0])
def test_the_rules_integrate_the_density_of_each_input(name: str, kind: int, std: float) -> None:
    """Mass 1 and mean mu, wherever the nodes are; Gauss's other rule agrees, every other node does not."""
    own, mu = _grid(name, -22, 22), 0.7
    assert own.kind == kind
    density = np.exp(-0.5 * ((own.x - mu) / std) ** 2) / (SQRT_2PI * std)
    rule, check = own.weights * density
    assert math.isclose(rule.sum(), 1.0, rel_tol=32 * EPS)
    assert math.isclose(rule @ own.x, mu, rel_tol=64 * EPS)
    assert abs(check.sum() - (kind != 0)) < 1e-12


def test_rows_are_what_is_averaged() -> None:
    own = _grid("elu")
    table = own.table(rates=True)
    assert table.names == tuple(ROWS)
    y, d, x = own.f - own.level, own.d, own.x
    products = [d, y * d, y, y * y]
    products += [g * x for g in products] + [d * d, d * d * x, d * d * x * x]
    for row, product in zip(table.levelled, products, strict=False):
        assert np.allclose(row, product * own.weights[0], rtol=8 * EPS, atol=1e-300)
    few = own.table(rates=False)
    for name, row in zip(few.names, few.levelled, strict=True):
        assert np.array_equal(row, table.levelled[table.names.index(name)])
    for name, every, some in (("tanh", 13, 11), ("relu", 13, 6), ("elu", 18, 10)):
        assert [len(_grid(name).table(rates=rates).rows) for rates in (True, False)] == [every, some]


def test_nodes_of_the_trapezoidal_rule_are_exact_multiples() -> None:
    own = _grid("tanh", -5, 7, 0.5)
    places = own.x / own.spacing
    assert np.array_equal(places - np.floor(places), np.full(places.size, 11 / 32))
    assert np.array_equal(np.diff(own.x), np.full(own.x.size - 1, own.spacing))


def test_far_from_0_nodes_are_counted_from_their_middle() -> None:
    own = _grid("silu", 90, 110)
    assert own.origin == 100.0
    assert np.allclose(own.f, activation("silu")(100.0 + own.x), rtol=8 * EPS)


def test_bounds_on_what_lies_beyond() -> None:
    """E[x^2] of the identity beyond 12, for an input 9 standard deviations from there: it knows that from probes."""
    own = _grid("identity")
    for std in (1.0, 2.0):
        z = np.linspace(9.0, 30.0, 20_001)
        mean = 12.0 - 9.0 * std
        density = np.exp(-0.5 * z * z) / SQRT_2PI
        exact = (density * (mean + std * z) ** 2).sum() * (z[1] - z[0])
        assert exact <= own.beyond[3] * math.exp(-0.5 * 81.0) / SQRT_2PI <= 100 * exact


def test_no_nodes_where_there_is_nothing_to_integrate_or_too_much() -> None:
    assert grid(branches(activation("relu")), -30, -10, 1.0, 10.0, 1) is None  # constant
    assert grid(branches(activation("tanh")), -(10**6), 10**6, 1.0, 9.0, 1) is None
    assert grid(branches(activation("softsign")), -(10**6), 10**6, 1.0, 9.0, 1) is None


def test_steep_polynomials_need_no_finer_nodes() -> None:
    cube = branches(activation("cube"))
    assert grid(cube, -12, 12, 1.0, 13.0, 2) is not None
    fine, coarse = (grid(cube, -12, 12, 1.0, 13.0, split) for split in (2, 1))
    assert fine is not None
    assert coarse is not None
    assert fine.spacing == coarse.spacing
    exp = branches(Activation("own", "exp(x)"))
    fine, coarse = (grid(exp, -12, 12, 1.0, 13.0, split) for split in (2, 1))
    assert fine is not None
    assert coarse is not None
    assert math.isclose(2 * fine.spacing, coarse.spacing, rel_tol=1e-8)
