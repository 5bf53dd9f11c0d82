import math

import pytest
import torch

from propstats.simulation.matrix_free.largest import largest


class _Matrix:
    """A matrix in memory, that counts."""

    def __init__(self, matrix: torch.Tensor) -> None:
        self.matrix, self.products = matrix, 0
        self.rows, self.columns = matrix.shape

    def times(self, vectors: torch.Tensor) -> torch.Tensor:
        self.products += 1
        return vectors @ self.matrix.T

    def transposed_times(self, vectors: torch.Tensor) -> torch.Tensor:
        self.products += 1
        return vectors @ self.matrix


def _random(rows: int, columns: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize(("rows", "columns"), [(300, 300), (200, 500), (500, 200)])
@pytest.mark.parametrize("basis", [60, 512])
def test_values_are_within_their_errors(rows: int, columns: int, basis: int) -> None:
    """A Gaussian matrix, whose largest values lie close together, with restarts and without."""
    matrix = _Matrix(_random(rows, columns))
    exact = torch.linalg.svdvals(matrix.matrix)
    found = largest(matrix, _random(10, columns, 1), 6, tolerance=1e-7, basis=min(basis, rows, columns))
    assert found.products == matrix.products
    for value, error, truth in zip(found.values, found.errors, exact, strict=False):
        assert abs(value - float(truth)) <= error + 1e-12 * float(exact[0])
        assert error <= 1.1e-7 * float(exact[0])


def test_copies_of_one_value_are_all_found() -> None:
    """A single vector would see one of the three."""
    u, v = torch.linalg.qr(_random(80, 80))[0], torch.linalg.qr(_random(80, 80, 2))[0]
    values = torch.cat([torch.tensor([3.0, 3.0, 3.0]), torch.linspace(2, 0, 77)]).double()
    found = largest(_Matrix(u @ torch.diag(values) @ v.T), _random(5, 80, 1), 4, basis=60)
    assert [round(value, 6) for value in found.values] == [3.0, 3.0, 3.0, 2.0]


def test_low_rank() -> None:
    matrix = _random(90, 2) @ _random(2, 70, 1)
    found = largest(_Matrix(matrix), _random(4, 70, 2), 4, basis=60)
    exact = torch.linalg.svdvals(matrix)
    assert all(
        math.isclose(a, float(b), rel_tol=1e-10, abs_tol=1e-10 * float(exact[0]))
        for a, b in zip(found.values, exact, strict=False)
    )


def test_what_has_not_converged_says_so() -> None:
    found = largest(_Matrix(_random(400, 400)), _random(5, 400, 1), 5, tolerance=1e-12, products=6)
    assert found.products == 6
    assert found.errors[0] > 1e-6


def test_an_operator_that_is_not_its_own_transpose_shows_in_the_errors() -> None:
    class Wrong(_Matrix):
        def transposed_times(self, vectors: torch.Tensor) -> torch.Tensor:
            return super().transposed_times(vectors) * 1.01

    right, wrong = (
        largest(kind(_random(200, 200)), _random(5, 200, 1), 3, tolerance=1e-8, products=80)
        for kind in (_Matrix, Wrong)
    )
    assert right.errors[0] < 1e-3
    assert wrong.errors[0] > 1e-2
