"""Counts, means and scatter matrices that can be gathered in parts and merged."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class RunningMoments:
    """What a stream of k-vectors leaves behind: their number, their mean and their scatter, in float64.

    Args:
        count: Number of vectors.
        mean: Their mean; shape (k,).
        scatter: `sum (v - mean)(v - mean)^T`; shape (k, k).

    References:
        Chan, Golub & LeVeque 1983, The American Statistician 37(3), the pairwise algorithm.

    >>> import numpy as np
    >>> first, second = RunningMoments.of(np.array([[1.0, 2.0]])), RunningMoments.of(np.array([[6.0]]))
    >>> whole = first.merge(second)
    >>> whole.count, whole.mean.tolist(), whole.covariance.tolist()
    (3, [3.0], [[7.0]])
    """

    count: int
    mean: Array
    scatter: Array

    @classmethod
    def empty(cls, size: int) -> "RunningMoments":
        """Return what no vectors of `size` components leave behind: the start of a stream."""
        return cls(0, np.zeros(size), np.zeros((size, size)))

    @classmethod
    def of(cls, rows: Array) -> "RunningMoments":
        """Gather a block; `rows` has shape (k, n), one column per vector, n at least 1."""
        with np.errstate(over="ignore", invalid="ignore"):
            mean = rows.mean(axis=1, dtype=np.float64)
            centred = rows - mean[:, None]
            return cls(rows.shape[1], mean, centred @ centred.T)

    @classmethod
    def of_sums(cls, count: int, sums: Array, products: Array) -> "RunningMoments":
        """Gather a block from its plain sums and its sums of products, for components that are centred closely.

        Where a mean is k times the spread of its component, 2 log10(k) digits of the scatter cancel.
        """
        with np.errstate(over="ignore", invalid="ignore"):
            return cls(count, sums / count, products - np.outer(sums, sums) / count)

    def merge(self, other: "RunningMoments") -> "RunningMoments":
        """Return what both streams leave behind together; up to rounding the order does not matter.

        With `d` the difference of the means the scatters add up with `d d^T n m/(n + m)`.
        """
        if self.count == 0 or other.count == 0:
            return other if self.count == 0 else self
        count = self.count + other.count
        with np.errstate(over="ignore", invalid="ignore"):
            gap = other.mean - self.mean
            mean = self.mean + gap * (other.count / count)
            between = np.outer(gap, gap) * (self.count * other.count / count)
            return RunningMoments(count, mean, self.scatter + other.scatter + between)

    @property
    def covariance(self) -> Array:
        """The unbiased covariance of one vector; NaN for fewer than two."""
        return self.scatter / (self.count - 1) if self.count > 1 else np.full_like(self.scatter, np.nan)
