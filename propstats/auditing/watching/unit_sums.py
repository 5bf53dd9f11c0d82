"""Sums of powers for each unit, cheap enough for every step of a training run.

Sums over a few thousand numbers are taken in the tensor's own precision, in blocks that stay in a processor's cache, so
that a tensor is read from memory once, and added up in float64. Blocks are taken from the last to the first: what was
written last is still in the cache, and what is read last, the beginning, is what the network reads next.
"""

import math
from collections.abc import Sequence
from typing import Final

import torch

from propstats.auditing.measuring.moments import Moments
from propstats.auditing.watching.row_sums import WIDE, RowSums

#: Numbers of a block, and how many blocks are added up in single precision.
_BLOCK: Final = 1 << 16
_BLOCKS: Final = 16
#: Numbers of a block of rows of positions: more, since there every call works for each row, and not just each number.
_POSITIONS: Final = 1 << 19
#: Where a squared mean is larger than this many variances, powers are taken about the mean instead of about zero.
_FAR: Final = 100.0

#: A variance is off by at most this share of itself, and a mean by this share of the standard deviation: float32 rounds
#: (2**-24) squares up to `1 + _FAR` times larger than the variance, in sums of pairs of pairs that are at most 16 deep,
#: of at most `_BLOCKS` blocks. (`row_sums.ROWS` rows that are summed one by one, with a mean of up to `sqrt(_FAR)`
#: standard deviations, are rounded less.)
RELATIVE_ERROR: Final = 2.0**-24 * (1 + _FAR) * (16 + _BLOCKS)


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
        self._sums = torch.empty(0)
        self._centre: torch.Tensor | None = None
        self._rows = RowSums()

    def add(self, tensor: torch.Tensor, axis: int) -> None:
        """Add a tensor whose units are counted by an axis.

        Raises:
            ValueError: If it has another number of units than those before.
        """
        size = tensor.numel()
        if size == 0:
            return
        if tensor.device.type == "mps":  # has no double precision
            tensor = tensor.cpu()
        units = tensor.shape[axis]
        numbers = size // units
        if self._count:
            if self._sums.shape[1] != units:
                raise ValueError(f"{units} units after {self._sums.shape[1]}")
            self._add(tensor, axis)
        else:
            self._sums = torch.zeros(self._powers, units, dtype=torch.float64, device=tensor.device)
            self._add(tensor, axis)
            self._rows.into(self._sums)
            # The first tensor says whether its units lie far from the centre, which then moves there and stays.
            mean = self._sums[0] / numbers
            if bool((mean.square() > _FAR / (1 + _FAR) * self._sums[1] / numbers).any()):
                # In the precision of what is summed, so that nothing has to be converted ever after.
                kind = torch.promote_types(tensor.dtype, torch.float32)
                self._centre = (mean if self._centre is None else self._centre + mean).to(kind)
                self._sums.zero_()
                self._add(tensor, axis)
        self._count += numbers

    def restart(self) -> None:
        """Forget what was summed; the centre about which powers are taken stays."""
        self._count, self._sums, self._rows = 0, torch.empty(0), RowSums()

    def moments(self) -> Moments | None:
        """Return the moments of each unit, shape (units,); skewness and kurtosis are NaN where they were not summed."""
        if not self._count:
            return None
        self._rows.into(self._sums)
        n, centre = float(self._count), 0.0 if self._centre is None else self._centre.cpu().double()
        unknown = torch.full((4 - self._powers, self._sums.shape[1]), math.nan, dtype=torch.float64)
        s1, s2, s3, s4 = torch.cat([self._sums.cpu(), unknown])
        shift = s1 / n
        sums = [
            (s2 - n * shift**2).clamp(min=0.0),
            s3 - 3 * shift * s2 + 2 * n * shift**3,
            s4 - 4 * shift * s3 + 6 * shift**2 * s2 - 3 * n * shift**4,
        ]
        count = torch.full((1,), n, dtype=torch.float64)
        return Moments(count, centre + shift, torch.ones_like(s1), torch.stack(sums))

    def _add(self, tensor: torch.Tensor, axis: int) -> None:
        ndim, centre, total = tensor.ndim, self._centre, self._sums
        if ndim == 4 and axis == 1 and tensor.is_contiguous(memory_format=torch.channels_last):
            tensor, axis = tensor.permute(0, 2, 3, 1), 3
        if tensor.dtype not in (torch.float32, torch.float64):
            tensor = tensor.float()
        units, after = tensor.shape[axis], math.prod(tensor.shape[axis + 1 :])
        if after == 1:
            values = tensor if ndim == 2 and axis == 1 else tensor.reshape(-1, units)
            if self._powers == 2 and units >= WIDE:
                self._rows.add(values, centre, total)
            else:
                _add_rows(values, centre, total)
        else:
            _add_positions(tensor.reshape(-1, units, after), centre, total)


def _add_rows(values: torch.Tensor, centre: torch.Tensor | None, total: torch.Tensor) -> None:
    """Add up numbers of shape (numbers, units)."""
    numbers, units = values.shape
    middle = None if centre is None else centre.to(values.dtype)
    if numbers * units <= 2 * _BLOCK:
        total.add_(_of_block(values if middle is None else values - middle, len(total)))
        return
    # Blocks are added up number by number; only then numbers of one unit are: a processor has no better way.
    rows = max(1, _BLOCK // units)
    for some in reversed(torch.split(values, rows * _BLOCKS)):
        sums = values.new_zeros(len(total), min(rows, len(some)), units)
        for block in reversed(torch.split(some, rows)):
            parts = sums if len(block) == sums.shape[1] else sums[:, : len(block)]
            _add_powers(block if middle is None else block - middle, parts.unbind())
        total.add_(sums.sum(dim=1))


def _of_block(values: torch.Tensor, powers: int) -> torch.Tensor:
    """Return the sums of the powers of numbers of shape (numbers, units)."""
    sums = values.new_empty(powers, values.shape[1])
    power = values
    torch.sum(power, 0, out=sums[0])
    for place in sums[1:].unbind():
        power = power * values
        torch.sum(power, 0, out=place)
    return sums


def _add_powers(values: torch.Tensor, parts: Sequence[torch.Tensor]) -> None:
    """Add powers of numbers to sums of the same shape."""
    parts[0].add_(values)
    if len(parts) == 2:
        parts[1].addcmul_(values, values)
        return
    squares = values * values
    parts[1].add_(squares)
    parts[2].addcmul_(squares, values)
    parts[3].addcmul_(squares, squares)


def _add_positions(values: torch.Tensor, centre: torch.Tensor | None, total: torch.Tensor) -> None:
    """Add up numbers of shape (samples, units, positions)."""
    middle = None if centre is None else centre.to(values.dtype)[:, None]
    samples = max(1, _POSITIONS // values[0].numel())
    sums = values.new_empty(len(total), *values.shape[:2])
    squares = torch.empty_like(values[:samples]) if len(total) > 2 else None
    blocks = zip(reversed(torch.split(values, samples)), reversed(torch.split(sums, samples, dim=1)), strict=True)
    for block, of_block in blocks:
        deviations = block if middle is None else block - middle
        _sum_positions(deviations, of_block, None if squares is None else squares[: len(block)])
    found = sums.double()
    found[-1].square_()
    total.add_(found.sum(dim=1))


def _sum_positions(values: torch.Tensor, sums: torch.Tensor, squares: torch.Tensor | None) -> None:
    """Put the sums of powers over positions into `sums`, shape (powers, samples, units); a root in place of the last.

    `squares` is room for the squares where there are more than two powers. Memory is waited for by what comes first,
    which therefore is not the sum, the one with the least to compute.
    """
    if squares is None:
        torch.linalg.vector_norm(values, dim=2, out=sums[1])
        torch.sum(values, 2, out=sums[0])
        return
    torch.mul(values, values, out=squares)
    torch.sum(values, 2, out=sums[0])
    torch.sum(squares, 2, out=sums[1])
    torch.linalg.vector_norm(squares, dim=2, out=sums[3])
    torch.sum(squares.mul_(values), 2, out=sums[2])
