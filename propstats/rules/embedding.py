"""Embeddings: tables of random rows."""

import math
from dataclasses import dataclass

from propstats.signals import Gradient, Positions, Signal


@dataclass(frozen=True, slots=True)
class Embedding:
    """A table whose rows are looked up by tokens that are equally likely and independent of each other.

    Two tokens are the same with probability `1/rows`; otherwise their rows have nothing but their mean in common. The
    input carries no signal that could be compared, and no gradient goes back to it.

    Finite width: q of one token is a mean over as many numbers as a row is long.

    Args:
        mean: Mean of the table.
        second_moment: Mean square of the table.
        rows: Number of tokens that there are.
        units: Length of a row.

    References:
        torch.nn.Embedding: N(0, 1) by default.

    >>> Embedding(0.0, 1.0, rows=100, units=8).forward(Signal(0.0, 0.0, 0.0)).var
    0.99
    """

    mean: float
    second_moment: float
    rows: int
    units: int

    def forward(self, signal: Signal) -> Signal:
        """Return the signal after the layer."""
        var = (self.second_moment - self.mean**2) * (1.0 - 1.0 / self.rows)
        apart = self.second_moment - var
        fresh = math.sqrt(2.0 / self.units)
        return Signal(self.mean, self.second_moment, var, fresh, Positions(apart, apart), self.units, fresh)

    def backward(self, gradient: Gradient, signal: Signal) -> Gradient:
        """Return nothing: tokens have no gradient."""
        return Gradient(0.0, 0.0)
