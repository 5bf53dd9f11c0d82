"""The distribution of singular values of many operators at once, by stochastic Lanczos quadrature."""

from dataclasses import dataclass

import torch

from propstats.simulation.matrix_free.largest import Operator


@dataclass(frozen=True, slots=True)
class Transposed:
    """An operator with its sides exchanged: the same singular values, fewer zeros where it was wide."""

    operator: Operator

    @property
    def rows(self) -> int:
        """Rows of the transpose."""
        return self.operator.columns

    @property
    def columns(self) -> int:
        """Columns of the transpose."""
        return self.operator.rows

    def times(self, vectors: torch.Tensor) -> torch.Tensor:
        """Return products of the transpose."""
        return self.operator.transposed_times(vectors)

    def transposed_times(self, vectors: torch.Tensor) -> torch.Tensor:
        """Return products of the operator."""
        return self.operator.times(vectors)


def lanczos_quadrature(operator: Operator, start: torch.Tensor, steps: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return nodes and weights, of shape (count, steps), that integrate over the singular values of each operator.

    For a random direction v, `sum_i w_i f(s_i)` is `v^T f(|A|) v` exactly for even polynomials f of degree up to
    `4 steps - 2`, and in the mean over directions the average of f over the singular values, of which there are as many
    as columns. Each operator meets its own direction; all are multiplied in one batch.

    Args:
        operator: Multiplies the k-th vector by the k-th matrix.
        start: Random Gaussian vectors, of shape (count, columns).
        steps: Lanczos steps.

    References:
        Golub & Meurant 1994, Matrices, moments and quadrature; Ubaru, Chen & Saad 2017 (the stochastic mean).
    """
    rights = [_unit(start.double())[0]]
    lefts: list[torch.Tensor] = []
    diagonal: list[torch.Tensor] = []
    above: list[torch.Tensor] = []
    for step in range(steps):
        left, norm = _unit(_without(operator.times(rights[-1]), lefts))
        lefts.append(left)
        diagonal.append(norm)
        if step < steps - 1:
            right, norm = _unit(_without(operator.transposed_times(left), rights))
            rights.append(right)
            above.append(norm)
    bidiagonal = torch.diag_embed(torch.stack(diagonal, dim=1))
    if above:
        bidiagonal = bidiagonal + torch.diag_embed(torch.stack(above, dim=1), offset=1)
    _, nodes, vt = torch.linalg.svd(bidiagonal)
    return nodes, vt[:, :, 0] ** 2


def _without(vectors: torch.Tensor, basis: list[torch.Tensor]) -> torch.Tensor:
    """Take the parts along orthonormal vectors out, twice: once is not enough."""
    if basis:
        known = torch.stack(basis, dim=1)
        for _ in range(2):
            vectors = vectors - torch.einsum("kb,kbn->kn", torch.einsum("kbn,kn->kb", known, vectors), known)
    return vectors


def _unit(vectors: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return directions and lengths; what has no length (the space is exhausted) stays a zero vector."""
    norms = torch.linalg.vector_norm(vectors, dim=1)
    return torch.where(norms[:, None] > 0, vectors / norms[:, None].clamp_min(1e-300), 0.0), norms
