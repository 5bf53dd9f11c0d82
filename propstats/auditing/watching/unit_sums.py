"""Sums of powers for each unit, cheap enough for every step of a training run.

A tensor is read once. Sums over a few thousand numbers are taken in the tensor's own precision, in blocks that stay in
a processor's cache, and added up in float64.
"""

import math
from collections.abc import Sequence
from typing import Final

import torch

from propstats.auditing.measuring.moments import Moments

#: Numbers of a block.
_BLOCK: Final = 1 << 15
#: Where a squared mean is larger than this many variances, powers are taken about the mean instead of about zero.
_FAR: Final = 100.0

#: A variance is off by at most this share of itself: float32 rounds (2**-24) squares up to `1 + _FAR` times larger than
#: the variance, in sums of pairs of pairs that are at most 16 deep.
RELATIVE_ERROR: Final = 2.0**-24 * (1 + _FAR) * 16


class UnitSums:
    """Moments of each unit of a stream of tensors.

    Args:
        powers: How many powers to sum: 2 for means and variances, 4 for skewness and kurtosis too.

    >>> sums = UnitSums(2)
    >>> sums.add(torch.tensor([[1.0, 5.0], [3.0, 5.0]]), axis=1)
    >>> sums.moments().mean.tolist(), sums.moments().variance.tolist()
    ([2.0, 5.0], [1.0, 0.0])
    """

    def __init__(self, powers: int) -> None:
        self._powers = powers
        self._count = 0
        self._sums: Sequence[torch.Tensor] = ()
        self._centre: torch.Tensor | None = None

    def add(self, tensor: torch.Tensor, axis: int) -> None:
        """Add a tensor whose units are counted by an axis.

        Raises:
            ValueError: If it has another number of units than those before.
        """
        tensor = tensor.detach()
        if tensor.numel() == 0:
            return
        units, numbers = tensor.shape[axis], tensor.numel() // tensor.shape[axis]
        if self._count and len(self._sums[0]) != units:
            raise ValueError(f"{units} units after {len(self._sums[0])}")
        if not self._count:
            self._sums = _zeros(self._powers, units)
            _add(tensor, axis, self._centre, self._sums)
            # The first tensor says whether its units lie far from the centre, which then moves there and stays.
            mean = self._sums[0] / numbers
            if bool((mean.square() > _FAR / (1 + _FAR) * self._sums[1] / numbers).any()):
                self._centre = mean if self._centre is None else self._centre + mean
                self._sums = _zeros(self._powers, units)
                _add(tensor, axis, self._centre, self._sums)
        else:
            _add(tensor, axis, self._centre, self._sums)
        self._count += numbers

    def restart(self) -> None:
        """Forget what was summed; the centre about which powers are taken stays."""
        self._count, self._sums = 0, ()

    def moments(self) -> Moments | None:
        """Return the moments of each unit, shape (units,); skewness and kurtosis are NaN where they were not summed."""
        if not self._count:
            return None
        n, centre = float(self._count), 0.0 if self._centre is None else self._centre
        s1, s2 = self._sums[0], self._sums[1]
        shift = s1 / n
        nothing = torch.full_like(s1, math.nan)
        s3, s4 = (self._sums[2], self._sums[3]) if self._powers > 2 else (nothing, nothing)
        sums = [
            (s2 - n * shift**2).clamp(min=0.0),
            s3 - 3 * shift * s2 + 2 * n * shift**3,
            s4 - 4 * shift * s3 + 6 * shift**2 * s2 - 3 * n * shift**4,
        ]
        count = torch.full((1,), n, dtype=torch.float64)
        return Moments(count, centre + shift, torch.ones_like(s1), torch.stack(sums))


def _zeros(powers: int, units: int) -> Sequence[torch.Tensor]:
    return [torch.zeros(units, dtype=torch.float64) for _ in range(powers)]


def _add(tensor: torch.Tensor, axis: int, centre: torch.Tensor | None, total: Sequence[torch.Tensor]) -> None:
    """Add the powers of a tensor's numbers to the sums of each unit."""
    if tensor.ndim == 4 and axis == 1 and tensor.is_contiguous(memory_format=torch.channels_last):
        tensor, axis = tensor.permute(0, 2, 3, 1), 3
    units, after = tensor.shape[axis], math.prod(tensor.shape[axis + 1 :])
    single = tensor.dtype in (torch.float32, torch.float64)
    if after == 1:
        _add_rows(tensor.reshape(-1, units), single, centre, total)
    elif len(total) == 2 and centre is None and single:
        # Reading rows of numbers that follow each other is what a processor does best.
        values = tensor.reshape(-1, units, after)
        total[0].add_(values.sum(dim=2).sum(dim=0, dtype=torch.float64))
        total[1].add_(torch.linalg.vector_norm(values, dim=2).double().square().sum(dim=0))
    else:
        _add_positions(tensor.reshape(-1, units, after), single, centre, total)


def _add_rows(values: torch.Tensor, single: bool, centre: torch.Tensor | None, total: Sequence[torch.Tensor]) -> None:
    """Add up numbers of shape (numbers, units)."""
    few = values.numel() <= 2 * _BLOCK
    for block in (values,) if few else torch.split(values, max(1, _BLOCK // values.shape[1])):
        deviations = block if single else block.float()
        if centre is not None:
            deviations = deviations - centre.to(deviations.dtype)
        power = deviations
        total[0].add_(power.sum(dim=0))
        for sums in total[1:]:
            power = power * deviations
            sums.add_(power.sum(dim=0))


def _add_positions(
    values: torch.Tensor, single: bool, centre: torch.Tensor | None, total: Sequence[torch.Tensor]
) -> None:
    """Add up numbers of shape (samples, units, positions)."""
    for block in torch.split(values, max(1, _BLOCK // values[0].numel())):
        deviations = block if single else block.float()
        if centre is not None:
            deviations = deviations - centre.to(deviations.dtype)[:, None]
        squares = deviations * deviations
        total[0].add_(deviations.sum(dim=2).sum(dim=0, dtype=torch.float64))
        total[1].add_(squares.sum(dim=2).sum(dim=0, dtype=torch.float64))
        if len(total) > 2:
            total[3].add_(torch.linalg.vector_norm(squares, dim=2).double().square().sum(dim=0))
            total[2].add_(squares.mul_(deviations).sum(dim=2).sum(dim=0, dtype=torch.float64))
