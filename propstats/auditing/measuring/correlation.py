"""How correlated are the units of a layer? NormProp, and every theory of wide layers, takes them not to be."""

import math
from dataclasses import dataclass
from typing import Final

import torch

#: Layers with more units than this are judged by as many of them, drawn at random.
UNITS: Final = 128
#: Positions of a sample that are looked at, evenly spaced: neighbours say the same.
_POSITIONS: Final = 16


@dataclass(frozen=True, slots=True)
class Correlation:
    """Correlation of two different units, over pairs.

    Args:
        rms: Root mean square; 0 for uncorrelated units, 1 for units that all say the same.
        error: Standard error: of the pairs that were drawn, where there are more; and of the samples.
        units: How many units were looked at.
    """

    rms: float
    error: float
    units: int


class UnitCorrelation:
    """Covariance of the units of a layer, for each half of the samples.

    The mean of `r_1 r_2` over pairs, with the correlations of either half, is an unbiased estimate of the mean `r^2`:
    halves are independent, whereas `r^2` of all samples is too large by about `1/samples`.
    """

    def __init__(self, units: int, seed: int = 0) -> None:
        self.chosen: torch.Tensor | None = None
        if units > UNITS:
            generator = torch.Generator().manual_seed(seed)
            self.chosen = torch.randperm(units, generator=generator)[:UNITS].sort().values
        self.of = units
        size = min(units, UNITS)
        self.count = torch.zeros(2, 1, dtype=torch.float64)
        self.mean = torch.zeros(2, size, dtype=torch.float64)
        self.scatter = torch.zeros(2, size, size, dtype=torch.float64)
        self.samples = 0

    def add(self, values: torch.Tensor, start: int = 0) -> None:
        """Add a batch, shape (samples, units, positions), whose first sample has this number."""
        step = max(1, math.ceil(values.shape[2] / _POSITIONS))
        values = values[:, :, ::step]
        if self.chosen is not None:
            values = values[:, self.chosen]
        self.samples += len(values)
        for half in range(2):
            rows = values[(half + start) % 2 :: 2].movedim(1, 2).reshape(-1, values.shape[1]).double()
            if len(rows):
                mean = rows.mean(dim=0)
                rows = rows - mean
                self._merge(half, float(len(rows)), mean, rows.T @ rows)

    def merge(self, other: "UnitCorrelation") -> None:
        """Add what another has seen."""
        self.samples += other.samples
        for half in range(2):
            if other.count[half] > 0:
                self._merge(half, float(other.count[half]), other.mean[half], other.scatter[half])

    def _merge(self, half: int, count: float, mean: torch.Tensor, scatter: torch.Tensor) -> None:
        before = float(self.count[half])
        gap = mean - self.mean[half]
        self.scatter[half] += scatter + torch.outer(gap, gap) * (before * count / (before + count))
        self.mean[half] += gap * (count / (before + count))
        self.count[half] = before + count

    @property
    def result(self) -> Correlation | None:
        """The correlation of units that vary; None for fewer than two of them, or than four samples."""
        if self.samples < 4:
            return None
        spread = self.scatter.diagonal(dim1=1, dim2=2)
        vary = (spread > 0).all(dim=0)
        n = int(vary.sum())
        if n < 2:
            return None
        scale = spread[:, vary].rsqrt()
        r = self.scatter[:, vary][:, :, vary] * scale[:, :, None] * scale[:, None, :]
        products = r[0] * r[1]
        products.fill_diagonal_(0.0)
        sums = products.sum(dim=1)
        mean = float(sums.sum()) / (n * (n - 1))
        rms = math.sqrt(max(mean, 0.0))
        # Leave one unit out (jackknife): what each unit has to do with all others scatters about the mean.
        without = (float(sums.sum()) - 2 * sums) / max(1, (n - 1) * (n - 2))
        variance = (n - 1) / n * float((without - without.mean()).square().sum())
        error = math.sqrt(variance)
        return Correlation(rms, error / (2 * rms) if rms > error else math.sqrt(error), n)
