"""Statistics of tensors that arrive in batches: float64, one pass, mergeable, bounded memory."""

import math

import torch


class RunningMean:
    """Mean of one number per sample, with its standard error over samples (Chan's update)."""

    def __init__(self) -> None:
        self.count = 0
        self.mean = 0.0
        self._scatter = 0.0

    def add(self, values: torch.Tensor) -> None:
        """Add a batch of one number per sample, shape (batch,)."""
        n = values.numel()
        batch_mean = float(values.mean())
        gap = batch_mean - self.mean
        total = self.count + n
        self._scatter += float((values - batch_mean).square().sum()) + gap**2 * self.count * n / total
        self.mean += gap * n / total
        self.count = total

    @property
    def error(self) -> float:
        """One standard error; infinite for a single sample."""
        if self.count < 2:
            return math.inf
        return math.sqrt(self._scatter / (self.count - 1) / self.count)


class UnitStatistics:
    """Mean and variance of every unit over the data, and what follows for the layer as a whole.

    Every position of every channel counts as a unit: that is what theory's correlation of two inputs compares. Standard
    errors come from samples, which are independent, never from positions.
    """

    def __init__(self) -> None:
        self.count = 0
        self.non_finite = 0
        self.numbers = 0
        self._mean: torch.Tensor | None = None
        self._scatter: torch.Tensor | None = None
        self.pooled_mean = RunningMean()
        self.pooled_square = RunningMean()
        self.pooled_spread = RunningMean()

    def add(self, batch: torch.Tensor) -> None:
        """Add a batch, shape (batch, ...).

        Raises:
            ValueError: If its samples have another number of units than those before.
        """
        values = batch.detach().double().reshape(len(batch), -1)
        self.numbers += values.numel()
        self.non_finite += values.numel() - int(torch.isfinite(values).sum())
        if self.non_finite:  # what is infinite has no moments; counting goes on
            return
        if self._mean is not None and self._mean.numel() != values.shape[1]:
            raise ValueError(f"{values.shape[1]} units after {self._mean.numel()}")
        n = len(values)
        mean = values.mean(dim=0)
        spread = (values - mean).square()
        scatter = spread.sum(dim=0)
        if self._mean is None or self._scatter is None:
            self._mean, self._scatter, self.count = mean, scatter, n
        else:
            total = self.count + n
            gap = mean - self._mean
            self._scatter = self._scatter + scatter + gap.square() * (self.count * n / total)
            self._mean = self._mean + gap * (n / total)
            self.count = total
        self.pooled_mean.add(values.mean(dim=1))
        self.pooled_square.add(values.square().mean(dim=1))
        self.pooled_spread.add(spread.mean(dim=1))

    @property
    def is_finite(self) -> bool:
        """Whether every number so far was finite, and there was one."""
        return self.non_finite == 0 and self._mean is not None

    @property
    def unit_means(self) -> torch.Tensor:
        """Mean of each unit over the data, shape (units,)."""
        assert self._mean is not None
        return self._mean

    @property
    def unit_variances(self) -> torch.Tensor:
        """Variance of each unit over the data, shape (units,)."""
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


class SquareMean:
    """Mean square of gradients, with the standard error over samples."""

    def __init__(self) -> None:
        self.running = RunningMean()
        self.non_finite = 0

    def add(self, batch: torch.Tensor) -> None:
        """Add a batch of gradients, shape (batch, ...)."""
        values = batch.detach().double()
        self.non_finite += values.numel() - int(torch.isfinite(values).sum())
        if not self.non_finite:
            self.running.add(values.reshape(len(values), -1).square().mean(dim=1))

    @property
    def is_measured(self) -> bool:
        """Whether there were gradients, all of them finite."""
        return self.non_finite == 0 and self.running.count > 0
