"""Quantiles of a stream, from a histogram whose bins are powers of two cut into equal parts."""

import math
from typing import Final

import torch

#: Parts that each power of two is cut into.
_PARTS: Final = 32
_SHIFT: Final = 23 - 5
_BINS: Final = 1 << (31 - _SHIFT)
_LARGEST: Final = torch.finfo(torch.float32).max
#: Numbers that are looked at together: few enough to stay in a processor's cache.
_BLOCK: Final = 1 << 17

#: A quantile is off by at most this share of itself, whatever the data (half a bin over its lower end).
RELATIVE_ERROR: Final = 0.5 / _PARTS


class Quantiles:
    """Counts of numbers by sign, exponent and leading bits of the mantissa; memory and error do not depend on the data.

    Counts add up, so that merging and the order of the data do not matter. Every quantile is within `RELATIVE_ERROR` of
    an order statistic of the data, for numbers between 2**-126 and 2**127; beyond, it is the nearest of these.

    References:
        Masson, Rim & Lee 2019, arXiv:1908.10693 (DDSketch: relative error by bins of constant ratio).

    >>> sketch = Quantiles()
    >>> sketch.add(torch.arange(1.0, 1001.0))
    >>> abs(sketch.quantile(0.5) / 500.0 - 1) <= RELATIVE_ERROR
    True
    """

    def __init__(self) -> None:
        #: Negative numbers by their size, then positive ones.
        self.counts = torch.zeros(2 * _BINS, dtype=torch.int64)

    def add(self, values: torch.Tensor) -> None:
        """Add numbers, of any shape; NaN is not among them."""
        if values.numel() == 0:
            return
        for part in torch.split(values.detach().reshape(-1), _BLOCK):
            # Only doubles reach beyond single precision; the bound itself does not exist in half precision.
            single = part.clamp(-_LARGEST, _LARGEST).float() if part.dtype == torch.float64 else part.float()
            # Read as a whole number, a float is its sign, its exponent and its mantissa, in this order.
            bins = (single.contiguous().view(torch.int32) >> _SHIFT) + _BINS
            self.counts += torch.bincount(bins, minlength=2 * _BINS)

    def merge(self, other: "Quantiles") -> None:
        """Add what another has counted."""
        self.counts += other.counts

    @property
    def zero_share(self) -> float | None:
        """Share of zeros (of numbers below 2**-131, to be exact); None of nothing."""
        total = int(self.counts.sum())
        return int(self.counts[0] + self.counts[_BINS]) / total if total else None

    def quantile(self, share: float) -> float:
        """Return the number that this share of the data does not exceed; NaN of nothing."""
        total = int(self.counts.sum())
        if total == 0:
            return math.nan
        rank = max(1, math.ceil(share * total))
        upwards = torch.cat([self.counts[:_BINS].flip(0), self.counts[_BINS:]])
        place = int(torch.searchsorted(upwards.cumsum(0), rank))
        positive = place >= _BINS
        middle = _middle(place - _BINS if positive else _BINS - 1 - place)
        return middle if positive else -middle


def _middle(place: int) -> float:
    """Return the middle of a bin; the first one is around zero."""
    if place == 0:
        return 0.0
    ends = torch.tensor([place << _SHIFT, (place + 1) << _SHIFT], dtype=torch.int32).view(torch.float32).double()
    low, high = float(ends[0]), float(ends[1])
    return (low + high) / 2 if math.isfinite(high) else low
