"""Averages over shared nodes."""

import numpy as np

from propstats.activations import activation
from propstats.expectation.quadrature.averages import ROWS, Grid, averages, centred, compare
from propstats.expectation.quadrature.branches import branches
from propstats.expectation.quadrature.grid import grid

EPS = 2.0**-52
_MU, _STD = np.array([-1.0, 0.3, 2.0]), np.array([1.0, 1.4, 1.9])


def _grid(name: str) -> Grid:
    found = grid(branches(activation(name)), -24, 24, 0, 1.0, 9.0)
    assert found is not None
    return found


def test_rows_are_what_is_averaged() -> None:
    own = _grid("elu")
    table = own.table(rates=True)
    y, d, x = own.f - own.level, own.d, own.x
    products = {"d": d, "y": y, "yy": y * y, "dd": d * d, "ddx": d * d * x, "ddxx": d * d * x * x,
                "yd": y * d, "dx": d * x, "ydx": y * d * x}  # fmt: skip
    assert table.names == tuple(ROWS) == tuple(products)
    for row, product in zip(table.levelled, products.values(), strict=True):
        assert np.allclose(row, product * own.weights, rtol=8 * EPS, atol=1e-300)
    few = own.table(rates=False)
    assert few.names == table.names[:6]
    assert np.array_equal(few.levelled, table.levelled[:6])


def test_centred_sums_are_the_averages_by_hand() -> None:
    """gelu, one input at a time, each with the weights of its own density."""
    own = _grid("gelu")
    table = own.table(rates=True)
    found, shift, _ = averages(own, table, _MU, _STD)
    got = centred(dict(zip(table.names, found, strict=True)), _MU, _STD)
    for i, (mu, s) in enumerate(zip(_MU.tolist(), _STD.tolist(), strict=True)):
        z = (own.x - mu) / s
        p = own.weights * np.exp(-0.5 * z * z) / np.sqrt(2 * np.pi) / s
        y = own.f - p @ own.f
        exact = [p @ own.f - shift[i], p @ own.d, p @ own.d**2, p @ y**2, p @ (y * own.d * z)]
        for value, number, rounding in zip(got.sums, exact, got.rounding, strict=True):
            assert abs(value[i] - number) <= 4 * EPS * rounding[i]


def test_compare_sees_what_a_coarse_rule_misses() -> None:
    own = _grid("tanh")
    every = Grid(own.origin, own.x, own.f, own.d, own.weights, own.reach)
    half = Grid(own.origin, own.x[::2], own.f[::2], own.d[::2], 2 * own.weights[::2], own.reach)
    assert compare(every, every, _MU, _STD, 1.0) == 0.0
    assert 1e-13 < compare(half, every, _MU, _STD, 1.0) < 0.1
