"""Lengths, angles and singular values of the rows of a matrix of weights."""

import math
from typing import Final

import torch

from propstats.estimate import Estimate, Route
from propstats.simulation.matrix_free.largest import largest
from propstats.theory.weights.schemes import Law

#: A matrix with at most so many rows or columns has its singular values computed all.
_SMALL: Final = 128
_PROBED: Final = 32
_TOLERANCE: Final = 1e-5


class _Rows:
    """A matrix of any precision as an operator in float64, a few rows at a time."""

    def __init__(self, matrix: torch.Tensor) -> None:
        self.matrix = matrix
        self.rows, self.columns = matrix.shape
        self.blocks = range(0, self.rows, max(1, (1 << 22) // self.columns))

    def times(self, vectors: torch.Tensor) -> torch.Tensor:
        step = self.blocks.step
        return torch.cat([vectors @ self.matrix[at : at + step].double().T for at in self.blocks], dim=1)

    def transposed_times(self, vectors: torch.Tensor) -> torch.Tensor:
        step = self.blocks.step
        found = vectors.new_zeros(len(vectors), self.columns)
        for at in self.blocks:
            found += vectors[:, at : at + step] @ self.matrix[at : at + step].double()
        return found


def spectral_norm(rows: torch.Tensor, groups: int = 1) -> Estimate:
    """Return the largest singular value of a matrix, or of the largest of its diagonal blocks.

    Args:
        rows: Shape (units, weights of a unit), finite.
        groups: Groups of consecutive rows with inputs of their own.

    >>> spectral_norm(torch.tensor([[3.0, 0.0], [0.0, 4.0]])).value
    4.0
    """
    if groups > 1 or min(rows.shape) <= _SMALL:
        blocks = rows.double().reshape(groups, -1, rows.shape[1])
        value = float(torch.linalg.matrix_norm(blocks, ord=2).max())
        return Estimate(value, value * min(rows.shape) * 2.0**-52, Route.CLOSED_FORM)
    generator = torch.Generator().manual_seed(0)
    operator = _Rows(rows)
    start = torch.randn(4, operator.columns, generator=generator, dtype=torch.float64)
    found = largest(operator, start, 1, tolerance=_TOLERANCE, basis=64)
    return Estimate(found.values[0], found.errors[0], Route.MEASURED)


def exact_law(rows: torch.Tensor, lengths: torch.Tensor) -> Law | None:
    """Say whether rows are orthogonal, or all of length one, as nothing is by chance.

    The shorter side of an orthogonal matrix is orthonormal up to a factor. The tolerance is what rounding to the
    precision of the weights leaves, and the products of the factorisation that made them.

    Args:
        rows: Shape (units, weights of a unit), finite.
        lengths: Of the rows.
    """
    units, columns = rows.shape
    if min(units, columns) < 2 or not lengths.any():
        return None
    tolerance = 2 * torch.finfo(rows.dtype).eps + max(units, columns) * 2.0**-23
    across = rows if units <= columns else rows.T
    if _orthogonal(across[:_PROBED], tolerance) and _orthogonal(across, tolerance):
        return Law.ORTHOGONAL
    return Law.UNIT_ROWS if float((lengths - 1).abs().max()) <= tolerance else None


def _orthogonal(rows: torch.Tensor, tolerance: float) -> bool:
    wide = rows.double()
    gram = wide @ wide.T
    square = float(gram.diagonal().mean())
    return square > 0 and float((gram / square - torch.eye(len(gram), dtype=gram.dtype)).abs().max()) <= tolerance


def random_edge(units: int, columns: int, mean_square: float) -> float:
    """Return what the spectral norm of random weights of this size tends to, `s (sqrt m + sqrt n)`.

    >>> random_edge(100, 25, 0.01)
    1.5
    """
    return math.sqrt(mean_square) * (math.sqrt(units) + math.sqrt(columns))
