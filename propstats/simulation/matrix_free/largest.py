"""The largest singular values of a matrix that is known by its products with blocks of vectors."""

from dataclasses import dataclass
from typing import Protocol

import torch


class Operator(Protocol):
    """A matrix; vectors are the rows of what it is given and returns."""

    @property
    def rows(self) -> int:
        """Length of a product."""
        ...

    @property
    def columns(self) -> int:
        """Length of a vector."""
        ...

    def times(self, vectors: torch.Tensor) -> torch.Tensor:
        """Return the products with vectors of shape (block, columns)."""
        ...

    def transposed_times(self, vectors: torch.Tensor) -> torch.Tensor:
        """Return the products of the transpose with vectors of shape (block, rows)."""
        ...


@dataclass(frozen=True, slots=True)
class Largest:
    """The largest singular values.

    Args:
        values: In descending order.
        errors: Within such a distance of each value there is a singular value: the norm of its residual, and by how
            much the operator and its transpose disagree.
        products: How often a block was multiplied by the operator or its transpose.
    """

    values: tuple[float, ...]
    errors: tuple[float, ...]
    products: int


def largest(
    operator: Operator,
    start: torch.Tensor,
    count: int,
    *,
    tolerance: float = 1e-6,
    basis: int = 512,
    products: int = 1000,
) -> Largest:
    """Return the largest singular values, by block Golub-Kahan-Lanczos with thick restarts.

    With orthonormal rows V and U, `A V^T = U^T B` and `A^T U^T = V^T B^T + N^T R E`, E of the last block: for a
    singular triple (p, s, q) of B, `A^T u - s v` has the norm of `R p` of the last block, which costs nothing to know.
    Bases are orthogonalised twice; where they are full, the best half is kept. A block finds values that lie close
    together, which a single vector does not.

    Args:
        operator: The matrix.
        start: Random vectors, of shape (block, columns).
        count: How many values; at most the block.
        tolerance: Norm of the residuals, relative to the largest value, at which to stop.
        basis: Vectors to hold at most on either side; small beside the matrix.
        products: Blocks to multiply at most. What has not converged by then says so by its error.

    References:
        Golub, Luk & Overton 1981 (blocks); Baglama & Reichel 2005, SIAM J. Sci. Comput. 27 (restarts).
    """
    block = start.shape[0]
    _, right = _new_directions(start.double(), start.new_zeros((0, operator.columns), dtype=torch.float64))
    rights, lefts = right, start.new_zeros((0, operator.rows), dtype=torch.float64)
    projected = start.new_zeros((0, 0), dtype=torch.float64)
    used, mismatch = 0, 0.0
    while True:
        coordinates, left = _new_directions(operator.times(rights[-block:]), lefts)
        projected = torch.cat([torch.nn.functional.pad(projected, (0, 0, 0, block)), coordinates.T], dim=1)
        lefts = torch.cat([lefts, left])
        back, following = _new_directions(operator.transposed_times(left), rights)
        used += 2
        mismatch = max(mismatch, float(torch.linalg.matrix_norm(back[:, :-block] - projected[-block:], ord=2)))
        p, s, qt = torch.linalg.svd(projected)
        residuals = torch.linalg.vector_norm(back[:, -block:].T @ p[-block:, :count], dim=0)
        if float(residuals.max()) <= tolerance * float(s[0]) or used >= products:
            return Largest(tuple(s[:count].tolist()), tuple((residuals + mismatch).tolist()), used)
        if len(rights) + block > basis:
            keep = max(basis // 2, count)
            rights, lefts = qt[:keep] @ rights, p[:, :keep].T @ lefts
            projected = torch.diag(s[:keep])
        rights = torch.cat([rights, following])


def _new_directions(vectors: torch.Tensor, basis: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the coordinates of vectors in a basis and its continuation, and the continuation, orthonormal."""
    first = vectors @ basis.T
    vectors = vectors - first @ basis
    again = vectors @ basis.T  # once is not enough
    q, r = torch.linalg.qr((vectors - again @ basis).T)
    return torch.cat([first + again, r.T], dim=1), q.T
