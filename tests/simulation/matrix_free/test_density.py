import math

import pytest
import torch

from propstats.estimate import STANDARD_ERRORS
from propstats.simulation.matrix_free.density import Transposed, lanczos_quadrature


class _Batch:
    """The same matrix for every vector."""

    def __init__(self, matrix: torch.Tensor) -> None:
        self.matrix = matrix
        self.rows, self.columns = matrix.shape

    def times(self, vectors: torch.Tensor) -> torch.Tensor:
        return vectors @ self.matrix.T

    def transposed_times(self, vectors: torch.Tensor) -> torch.Tensor:
        return vectors @ self.matrix


def _random(rows: int, columns: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("power", range(0, 12, 2))
def test_even_polynomials_are_exact(power: int) -> None:
    matrix, start = _random(30, 20) / 10, _random(4, 20, 1)
    nodes, weights = lanczos_quadrature(_Batch(matrix), start, 4)
    unit = start / start.norm(dim=1, keepdim=True)
    form = torch.einsum("ki,ij,kj->k", unit, torch.linalg.matrix_power(matrix.T @ matrix, power // 2), unit)
    assert torch.allclose((weights * nodes**power).sum(dim=1), form, rtol=1e-11)


def test_the_mean_over_directions_is_the_spectrums() -> None:
    matrix, count = _random(60, 40), 2000
    nodes, weights = lanczos_quadrature(_Batch(matrix), _random(count, 40, 1), 30)
    exact = torch.linalg.svdvals(matrix)
    for below in (4.0, 7.0, 10.0):
        shares = (weights * (nodes < below)).sum(dim=1)
        truth = float((exact < below).double().mean())
        # Thirty steps leave a node or so of the measure on the wrong side of a jump.
        resolution = 1 / 30
        assert abs(shares.mean() - truth) <= STANDARD_ERRORS * shares.std() / math.sqrt(count) + resolution


def test_an_exhausted_space_is_no_trouble() -> None:
    matrix = torch.diag(torch.tensor([3.0, 1.0, 0.0])).double()
    nodes, weights = lanczos_quadrature(_Batch(matrix), _random(5, 3, 1), 8)
    assert torch.isfinite(nodes).all()
    assert torch.allclose(weights.sum(dim=1), torch.ones(5, dtype=torch.float64))


def test_a_transpose() -> None:
    matrix = _random(6, 9)
    turned = Transposed(_Batch(matrix))
    assert (turned.rows, turned.columns) == (9, 6)
    assert torch.equal(turned.times(_random(2, 6)), _random(2, 6) @ matrix)
    assert torch.equal(turned.transposed_times(_random(2, 9)), _random(2, 9) @ matrix.T)
