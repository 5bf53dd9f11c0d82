"""The first four moments of many units at once, from batches: float64, one pass, mergeable."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import torch

#: Samples are dealt out to this many groups, by their number; leaving one out in turn gives standard errors
#: (delete-a-group jackknife). It divides the size of a batch, so that a group does not depend on how data are split.
GROUPS: Final = 8

_SMALLEST: Final = 2.0**-1022
_ULP: Final = 2.0**-52


@dataclass(frozen=True, slots=True)
class Moments:
    """Counts, means, and sums of powers of deviations from the mean.

    The sums are kept in units of a power of two near the largest deviation, so that no fourth power overflows.

    Args:
        count: How many numbers, shape (..., 1).
        mean: Their mean, shape (..., units).
        scale: The unit of the deviations, a power of two.
        sums: Sums of the 2nd, 3rd and 4th power of deviations in that unit, shape (3, ..., units).

    References:
        Pebay 2008, Sandia report SAND2008-6212, Eqs. 2.1 and 3.1 (pairwise updates of central moments).

    >>> both = merge(Moments.of(torch.tensor([[1.0], [2.0]])), Moments.of(torch.tensor([[6.0]])))
    >>> both.mean.item(), both.variance.item()
    (3.0, 4.666666666666667)
    """

    count: torch.Tensor
    mean: torch.Tensor
    scale: torch.Tensor
    sums: torch.Tensor

    @staticmethod
    def empty(*shape: int) -> "Moments":
        """Return the moments of nothing, shape (..., units)."""
        zeros = torch.zeros(shape, dtype=torch.float64)
        return Moments(zeros[..., :1].clone(), zeros, torch.full_like(zeros, _SMALLEST), torch.stack([zeros] * 3))

    @staticmethod
    def of(values: torch.Tensor) -> "Moments":
        """Return the moments over the first axis, shape (numbers, ..., units)."""
        values = values.detach().double()
        if len(values) == 0:
            return Moments.empty(*values.shape[1:])
        mean = values.mean(dim=0)
        return Moments.about(values - mean, mean)

    @staticmethod
    def about(deviations: torch.Tensor, centre: torch.Tensor) -> "Moments":
        """Return the moments over the first axis of numbers that are given as deviations from a centre near them."""
        scale = power_of_two(deviations.abs().amax(dim=0))
        first = deviations / scale
        square = first * first
        n = len(deviations)
        shift = first.sum(dim=0) / n
        s2, s3, s4 = square.sum(dim=0), (square * first).sum(dim=0), (square * square).sum(dim=0)
        # From powers about the centre to powers about the mean, which is `shift` away.
        sums = torch.stack(
            [
                (s2 - n * shift**2).clamp(min=0.0),
                s3 - 3 * shift * s2 + 2 * n * shift**3,
                (s4 - 4 * shift * s3 + 6 * shift**2 * s2 - 3 * n * shift**4).clamp(min=0.0),
            ]
        )
        # Numbers that are all the same, away from the centre, leave rounding: they have no spread.
        sums = torch.where(sums[0] > 4 * n * _ULP * s2, sums, 0.0)
        count = torch.full_like(centre[..., :1].expand(shift[..., :1].shape), float(n))
        return Moments(count, centre + shift * scale, scale, sums)

    def pooled(self, axis: int) -> "Moments":
        """Return the moments of all numbers along an axis of the state together (groups, or positions of a unit)."""
        parts = self.count.expand(self.mean.shape)
        total = parts.sum(dim=axis, keepdim=True)
        share = parts / total.clamp(min=1.0)
        mean = (share * self.mean).sum(dim=axis, keepdim=True)
        gap = torch.where(parts > 0, self.mean - mean, 0.0)
        scale = torch.maximum(self.scale, power_of_two(gap.abs())).amax(dim=axis, keepdim=True)
        s2, s3, s4 = self._sums_in(scale)
        gap = gap / scale
        sums = [
            s2 + parts * gap**2,
            s3 + 3 * gap * s2 + parts * gap**3,
            s4 + 4 * gap * s3 + 6 * gap**2 * s2 + parts * gap**4,
        ]
        count = total.squeeze(axis)[..., :1]
        return Moments(count, mean.squeeze(axis), scale.squeeze(axis), torch.stack([s.sum(dim=axis) for s in sums]))

    def _sums_in(self, scale: torch.Tensor) -> torch.Tensor:
        ratio = self.scale / scale
        return self.sums * torch.stack([ratio**2, ratio**3, ratio**4])

    @property
    def variance(self) -> torch.Tensor:
        """Second central moment; 0 of nothing."""
        return self.sums[0] / self.count.clamp(min=1.0) * self.scale**2

    @property
    def second_moment(self) -> torch.Tensor:
        """Mean of the squares."""
        return self.variance + self.mean**2

    @property
    def skewness(self) -> torch.Tensor:
        """Third standardised moment; NaN where nothing varies."""
        return self.sums[1] / self.sums[0] ** 1.5 * self.count.sqrt()

    @property
    def kurtosis(self) -> torch.Tensor:
        """Fourth standardised moment, 3 for a Gaussian; NaN where nothing varies."""
        return self.sums[2] / self.sums[0] ** 2 * self.count

    def leaving_one_out(self) -> "Moments":
        """Return the moments of all groups along the first axis but one, for each one; shape (groups, ..., units)."""
        groups = len(self.mean)
        kept = torch.tensor([[i for i in range(groups) if i != left_out] for left_out in range(groups)])
        return Moments(self.count[kept], self.mean[kept], self.scale[kept], self.sums[:, kept]).pooled(1)

    @staticmethod
    def beside(parts: Sequence["Moments"]) -> "Moments":
        """Put the units of several states with the same counts side by side."""
        return Moments(
            parts[0].count,
            torch.cat([part.mean for part in parts], dim=-1),
            torch.cat([part.scale for part in parts], dim=-1),
            torch.cat([part.sums for part in parts], dim=-1),
        )


def grouped(deviations: torch.Tensor, centre: torch.Tensor, start: int = 0) -> Moments:
    """Return the moments of each unit over its positions, for each group of samples.

    Args:
        deviations: What numbers deviate from their centre, shape (samples, units, positions).
        centre: Mean over the samples, shape (units, positions).
        start: Number of the first sample: sample `i` belongs to group `i % GROUPS`.

    Returns:
        A state of shape (groups, units).
    """
    n, units, positions = deviations.shape
    flat, middle = deviations.reshape(n, -1), centre.reshape(-1)
    whole = n - n % GROUPS
    state = Moments.empty(GROUPS, units * positions)
    if whole:
        state = Moments.about(flat[:whole].reshape(-1, GROUPS, flat.shape[1]), middle)
    if n > whole:
        rest = Moments.empty(GROUPS, units * positions)
        rest.count[: n - whole] = 1.0
        rest.mean[: n - whole] = flat[whole:] + middle
        state = merge(state, rest)
    shape = (GROUPS, units, positions)
    apart = Moments(
        state.count[:, :, None], state.mean.reshape(shape), state.scale.reshape(shape), state.sums.reshape(3, *shape)
    )
    pooled = apart.pooled(2)
    turned = [tensor.roll(start % GROUPS, 0) for tensor in (pooled.count, pooled.mean, pooled.scale)]
    return Moments(turned[0], turned[1], turned[2], pooled.sums.roll(start % GROUPS, 1))


def merge(a: Moments, b: Moments) -> Moments:
    """Return the moments of two sets of numbers together."""
    stacked = Moments(
        torch.stack([a.count, b.count]),
        torch.stack([a.mean, b.mean]),
        torch.stack([a.scale, b.scale]),
        torch.stack([a.sums, b.sums], dim=1),
    )
    return stacked.pooled(0)


def power_of_two(values: torch.Tensor) -> torch.Tensor:
    """Return the smallest power of two that is larger than each value, and a tiny one for zero."""
    exponent = torch.frexp(values)[1]
    return torch.where(values > 0, torch.ldexp(torch.ones_like(values), exponent), _SMALLEST).clamp(min=_SMALLEST)
