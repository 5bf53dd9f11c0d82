"""Statistics of tensors that arrive in batches: float64, one pass, mergeable, bounded memory."""

import math
from collections.abc import Callable
from typing import Final

import torch

from propstats.auditing.measuring.correlation import Correlation, UnitCorrelation
from propstats.auditing.measuring.layout import arranged
from propstats.auditing.measuring.moments import GROUPS, Moments, grouped, merge
from propstats.auditing.measuring.quantiles import Quantiles
from propstats.auditing.measuring.running_mean import RunningMean

#: Numbers that are looked at together: few enough to stay in a processor's cache.
_BLOCK: Final = 1 << 17


class UnitStatistics:
    """Mean and variance of every unit over the data, and what follows for the layer as a whole.

    Two things are called unit. Every position of every channel is one for `unit_means`, `unit_variances`, `q` and
    `var`: that is what theory's correlation of two inputs compares. A channel with all its positions (a feature with
    all its tokens) is one for `units`, `correlation` and `agreement`. Standard errors come from samples, which are
    independent, never from positions.
    """

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Forget everything."""
        self.count = 0
        self.non_finite = 0
        self.numbers = 0
        self._mean: torch.Tensor | None = None
        self._scatter: torch.Tensor | None = None
        self.pooled_mean = RunningMean()
        self.pooled_square = RunningMean()
        self.pooled_spread = RunningMean()
        self.agreement = RunningMean()
        self.groups: Moments | None = None
        self.quantiles = Quantiles()
        self._correlation: UnitCorrelation | None = None

    def add(self, batch: torch.Tensor, *, units: int | None = None, start: int | None = None) -> None:
        """Add a batch, shape (batch, ...).

        Args:
            batch: The batch.
            units: The axis that counts units: by default the first one after the samples, in sequences the last one.
            start: Number of its first sample; by default batches follow each other.

        Raises:
            ValueError: If its samples have another number of units than those before.
        """
        rows = batch.detach() if batch.is_floating_point() else batch.detach().double()
        self.numbers += rows.numel()
        # A sum is not finite if one of its numbers is not.
        if not math.isfinite(float(rows.sum())):
            self.non_finite += rows.numel() - int(torch.isfinite(rows).sum())
        if self.non_finite or rows.numel() == 0:  # what is infinite has no moments; counting goes on
            return
        values = arranged(rows, units)
        size = values.shape[1] * values.shape[2]
        if self._mean is not None and self._mean.numel() != size:
            raise ValueError(f"{size} units after {self._mean.numel()}")
        start = self.count if start is None else start
        self._add_moments(values, start)
        self.quantiles.add(rows)
        self.agreement.add(_sign_agreement(values))
        if self._correlation is None:
            self._correlation = UnitCorrelation(values.shape[1])
        self._correlation.add(values, start)

    def _add_moments(self, values: torch.Tensor, start: int) -> None:
        n, channels, positions = values.shape
        wide = max(1, _BLOCK // n)
        means, scatters, found = [], [], []
        sums, squares, spreads = (torch.zeros(n, dtype=torch.float64) for _ in range(3))
        step = max(1, wide // positions)
        for first in range(0, channels, step):
            pieces = []
            for left in range(0, positions, wide):
                block = values[:, first : first + step, left : left + wide].double()
                mean = block.mean(dim=0)
                deviations = block - mean
                spread = deviations.square()
                sums += block.sum(dim=(1, 2))
                squares += torch.linalg.vector_norm(block, dim=(1, 2)).square()
                spreads += spread.sum(dim=(1, 2))
                means.append(mean.flatten())
                scatters.append(spread.sum(dim=0).flatten())
                pieces.append(grouped(deviations, mean, start))
            found.append(pieces[0] if len(pieces) == 1 else _together(pieces))
        size = channels * positions
        self._merge_positions(n, torch.cat(means), torch.cat(scatters))
        self.pooled_mean.add(sums / size)
        self.pooled_square.add(squares / size)
        self.pooled_spread.add(spreads / size)
        groups = Moments.beside(found)
        self.groups = groups if self.groups is None else merge(self.groups, groups)

    def _merge_positions(self, count: int, mean: torch.Tensor, scatter: torch.Tensor) -> None:
        if self._mean is None or self._scatter is None:
            self._mean, self._scatter, self.count = mean, scatter, count
            return
        total = self.count + count
        gap = mean - self._mean
        self._scatter = self._scatter + scatter + gap.square() * (self.count * count / total)
        self._mean = self._mean + gap * (count / total)
        self.count = total

    def merge(self, other: "UnitStatistics") -> None:
        """Add what another has seen.

        Raises:
            ValueError: If it has another number of units.
        """
        self.numbers += other.numbers
        self.non_finite += other.non_finite
        if self.non_finite:  # as in `add`
            return
        if other._mean is None or other._scatter is None or other.groups is None or other._correlation is None:
            return
        if self._mean is not None and self._mean.numel() != other._mean.numel():
            raise ValueError(f"{other._mean.numel()} units after {self._mean.numel()}")
        self._merge_positions(other.count, other._mean, other._scatter)
        self.groups = other.groups if self.groups is None else merge(self.groups, other.groups)
        if self._correlation is None:
            self._correlation = UnitCorrelation(other._correlation.of)
        self._correlation.merge(other._correlation)
        self.quantiles.merge(other.quantiles)
        for mine, theirs in (
            (self.pooled_mean, other.pooled_mean),
            (self.pooled_square, other.pooled_square),
            (self.pooled_spread, other.pooled_spread),
            (self.agreement, other.agreement),
        ):
            mine.merge(theirs)

    @property
    def is_finite(self) -> bool:
        """Whether every number so far was finite, and there was one."""
        return self.non_finite == 0 and self._mean is not None

    @property
    def unit_means(self) -> torch.Tensor:
        """Mean of each unit over the data, shape (units,); every position of a channel counts as a unit."""
        assert self._mean is not None
        return self._mean

    @property
    def unit_variances(self) -> torch.Tensor:
        """Variance of each unit over the data, shape (units,); every position of a channel counts as a unit."""
        assert self._scatter is not None
        return self._scatter / self.count

    @property
    def q(self) -> float:
        """Second moment over units and data."""
        return float((self.unit_means.square() + self.unit_variances).mean())

    @property
    def var(self) -> float:
        """Variance over the data, in the mean over units."""
        return float(self.unit_variances.mean())

    @property
    def units(self) -> Moments | None:
        """Moments of each channel or feature over data and positions, shape (units,); None if nothing is finite."""
        return self.groups.pooled(0) if self.is_finite and self.groups is not None else None

    def estimates(self, *statistics: Callable[[Moments], torch.Tensor]) -> list[tuple[float, float]] | None:
        """Return the mean over units of statistics of their moments, with standard errors; None if not finite.

        The error is a jackknife over groups of samples, infinite for fewer than two samples a group. Units without the
        statistic (NaN) are left out.
        """
        units = self.units
        if units is None or self.groups is None:
            return None
        values = [float(statistic(units).nanmean()) for statistic in statistics]
        if self.count < 2 * GROUPS:
            return [(value, math.inf) for value in values]
        without = self.groups.leaving_one_out()
        scatters = [float(statistic(without).nanmean(dim=-1).var(correction=0)) for statistic in statistics]
        return [(value, math.sqrt((GROUPS - 1) * scatter)) for value, scatter in zip(values, scatters, strict=True)]

    @property
    def correlation(self) -> Correlation | None:
        """How correlated units are; None where that is unknown."""
        return self._correlation.result if self.is_finite and self._correlation is not None else None

    @property
    def zero_share(self) -> float | None:
        """Share of numbers that are zero."""
        return self.quantiles.zero_share if self.is_finite else None


def _sign_agreement(values: torch.Tensor) -> torch.Tensor:
    """Return for each sample how far its units have one sign, 0 to 1, in the mean over positions."""
    step = max(1, _BLOCK // values[0].numel())
    return torch.cat([part.sign().mean(dim=1).abs().mean(dim=1) for part in torch.split(values, step)]).double()


def _together(pieces: list[Moments]) -> Moments:
    together = pieces[0]
    for piece in pieces[1:]:
        together = merge(together, piece)
    return together


class SquareMean:
    """Mean square of gradients, with the standard error over samples."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Forget everything."""
        self.running = RunningMean()
        self.non_finite = 0

    def add(self, batch: torch.Tensor) -> None:
        """Add a batch of gradients, shape (batch, ...)."""
        rows = batch.detach().reshape(len(batch), -1)
        if rows.numel() == 0:
            return
        size = rows.shape[1]
        self.take(torch.linalg.vector_norm(rows, dim=1, dtype=torch.float64).square() / size, rows)

    def take(self, squares: torch.Tensor, rows: torch.Tensor) -> None:
        """Add the mean square of each of some samples; where one is not finite, count numbers that are not."""
        if not math.isfinite(float(squares.sum())):
            self.non_finite += rows.numel() - int(torch.isfinite(rows).sum())
        if not self.non_finite:
            self.running.add(squares)

    def merge(self, other: "SquareMean") -> None:
        """Add what another has seen."""
        self.non_finite += other.non_finite
        self.running.merge(other.running)

    @property
    def is_measured(self) -> bool:
        """Whether there were gradients, all of them finite."""
        return self.non_finite == 0 and self.running.count > 0
