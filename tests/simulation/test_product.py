import math
from collections.abc import Sequence
from itertools import pairwise

import flint
import mpmath
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from propstats.simulation.product import singular_values, triangular_product

Layers = list[tuple[torch.Tensor, torch.Tensor]]

_EPS = torch.finfo(torch.float64).eps


def _network(widths: Sequence[int], act: str, seed: int = 0, scale: float = 2.0) -> Layers:
    """Weights and slopes as a forward pass meets them."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(widths[0], generator=generator, dtype=torch.float64)
    layers = []
    for n, m in pairwise(widths):
        weights = torch.randn(m, n, generator=generator, dtype=torch.float64) * math.sqrt(scale / n)
        h = weights @ x
        x = torch.relu(h) if act == "relu" else torch.tanh(h)
        layers.append((weights, (h > 0).double() if act == "relu" else 1 - x * x))
    return layers


def _dense(layers: Layers) -> torch.Tensor:
    product = torch.eye(layers[0][0].shape[1], dtype=torch.float64)
    for weights, slopes in layers:
        product = slopes[:, None] * (weights @ product)
    return product


def _exact(layers: Layers, count: int, digits: int) -> list[float]:
    """The largest singular values, from a Gram matrix in so many digits that its condition does not matter."""
    flint.ctx.dps = mpmath.mp.dps = digits
    try:
        product = flint.arb_mat(layers[0][0].tolist())
        for position, (weights, slopes) in enumerate(layers):
            if position:
                product = flint.arb_mat(weights.tolist()) * product
            for row, slope in enumerate(slopes.tolist()):
                for column in range(product.ncols()):
                    product[row, column] *= slope
        gram = product * product.transpose()
        matrix = mpmath.matrix(gram.nrows(), gram.nrows())
        for i in range(gram.nrows()):
            for j in range(gram.nrows()):
                matrix[i, j] = mpmath.mpf(gram[i, j].mid().str(digits, radius=False))
        found = sorted(mpmath.eigsy(matrix, eigvals_only=True), reverse=True)
        return [float(mpmath.sqrt(value)) for value in found[:count]]
    finally:
        flint.ctx.dps = mpmath.mp.dps = 15


@pytest.mark.parametrize("act", ["relu", "tanh"])
@pytest.mark.parametrize("widths", [(12, 12), (20, 20, 20, 20), (30, 10, 20), (10, 30, 20), (5, 40, 5), (8, 1, 8)])
@pytest.mark.parametrize("accurate", [False, True])
def test_values_are_those_of_the_dense_product(widths: Sequence[int], act: str, accurate: bool) -> None:
    layers = _network(widths, act)
    values, rank = singular_values(layers, accurate=accurate)
    dense = torch.linalg.svdvals(_dense(layers))
    assert values.shape == dense.shape == (min(widths[0], widths[-1]),)
    # Both are backward stable: a modest polynomial of the size times a rounding of the largest value, in each layer.
    assert (values - dense).abs().max() <= 10 * max(widths) * len(layers) * _EPS * dense[0]
    assert torch.equal(values[rank:], torch.zeros_like(values[rank:]))
    assert rank == min([widths[0], *(int((slopes != 0).sum()) for _, slopes in layers)])


@pytest.mark.parametrize(
    ("act", "depth", "scale", "digits"),
    [("relu", 9, 2.0, 60), ("relu", 30, 2.0, 80), ("tanh", 9, 1.5, 80), ("tanh", 12, 6.0, 160)],
)
def test_the_accurate_product_keeps_the_smallest_value(act: str, depth: int, scale: float, digits: int) -> None:
    """Right to 1e-12, where the plain product loses what the condition of the whole costs: here up to all of it."""
    layers = _network([24] * (depth + 1), act, seed=1, scale=scale)
    values, rank = singular_values(layers, accurate=True)
    exact = torch.tensor(_exact(layers, rank, digits), dtype=torch.float64)
    assert ((values[:rank] - exact) / exact).abs().max() <= 1e-12
    if exact[0] > 1e10 * exact[-1]:
        plain, _ = singular_values(layers)
        assert abs(plain[rank - 1] / exact[-1] - 1) > 1e-9


@pytest.mark.parametrize("shape", [(300, 300, 300), (129, 300, 257), (400, 130, 300), (300, 300, 150), (5, 9, 3)])
def test_products_of_triangles(shape: tuple[int, int, int]) -> None:
    generator = torch.Generator().manual_seed(0)
    rows, middle, columns = shape
    left = torch.randn(rows, middle, generator=generator, dtype=torch.float64).triu()
    right = torch.randn(middle, columns, generator=generator, dtype=torch.float64).triu()
    bound = middle * _EPS * (left.abs() @ right.abs())  # of dot products, in whatever order
    assert ((triangular_product(left, right) - left @ right).abs() <= 2 * bound).all()


@pytest.mark.parametrize("accurate", [False, True])
def test_a_dead_layer_leaves_nothing(accurate: bool) -> None:
    weights = torch.ones(3, 3)
    slopes = (torch.ones(3), torch.zeros(3), torch.ones(3))
    values, rank = singular_values([(weights, slope) for slope in slopes], accurate=accurate)
    assert rank == 0
    assert values.tolist() == [0.0, 0.0, 0.0]


def test_no_layer_is_no_network() -> None:
    with pytest.raises(ValueError, match="at least one layer"):
        singular_values([])


@given(st.lists(st.integers(1, 9), min_size=2, max_size=6), st.integers(0, 1000), st.booleans())
def test_any_shape(widths: list[int], seed: int, accurate: bool) -> None:
    layers = _network(widths, "relu", seed)
    values, rank = singular_values(layers, accurate=accurate)
    dense = torch.linalg.svdvals(_dense(layers))
    assert (values - dense).abs().max() <= 100 * len(layers) * _EPS * max(float(dense[0]), 1e-300)
    assert int((values > 0).sum()) <= rank
