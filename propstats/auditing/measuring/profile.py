"""Mean squares of gradients, position by position: where they lie."""

from collections.abc import Sequence

import torch

from propstats.auditing.measuring.statistics import SquareMean


class Profile(SquareMean):
    """Mean square of gradients with the share of each position: a token that stands for a class gets most of it.

    Args:
        axes: Which axes of a sample count units; the others count positions.

    >>> profile = Profile([1])
    >>> profile.add(torch.tensor([[[3.0, 4.0], [0.0, 0.0]]]))  # one sample of two tokens of two units
    >>> profile.running.mean, profile.shares.tolist()
    (6.25, [1.0, 0.0])
    """

    def __init__(self, axes: Sequence[int]) -> None:
        self._axes = tuple(axis + 1 for axis in axes)
        super().__init__()

    def clear(self) -> None:
        """Forget everything."""
        super().clear()
        self._sums: torch.Tensor | None = None

    def add(self, batch: torch.Tensor) -> None:
        """Add a batch of gradients, shape (batch, ...)."""
        rows = batch.detach()
        if rows.numel() == 0:
            return
        norms = torch.linalg.vector_norm(rows, dim=self._axes, dtype=torch.float64).square()
        self.take(norms.flatten(1).sum(dim=1) / rows[0].numel(), rows)
        sums = norms.sum(dim=0).flatten()
        self._sums = sums if self._sums is None else self._sums + sums

    def merge(self, other: SquareMean) -> None:
        """Add what another has seen."""
        super().merge(other)
        if isinstance(other, Profile) and other._sums is not None:
            self._sums = other._sums.clone() if self._sums is None else self._sums + other._sums

    @property
    def shares(self) -> torch.Tensor | None:
        """Which share of all gradients each position has, shape (positions,); None where there are none."""
        if self._sums is None or not self.is_measured or float(self._sums.sum()) <= 0.0:
            return None
        return self._sums / self._sums.sum()
