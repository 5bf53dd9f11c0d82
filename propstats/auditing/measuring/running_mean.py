"""The mean of one number per sample."""

import math

import torch


class RunningMean:
    """Mean of one number per sample, with its standard error over samples (Chan's update)."""

    def __init__(self) -> None:
        self.count = 0
        self.mean = 0.0
        self.scatter = 0.0

    def add(self, values: torch.Tensor) -> None:
        """Add a batch of one number per sample, shape (batch,)."""
        if values.numel():
            mean = float(values.mean())
            self._merge(values.numel(), mean, float((values - mean).square().sum()))

    def merge(self, other: "RunningMean") -> None:
        """Add what another has seen."""
        if other.count:
            self._merge(other.count, other.mean, other.scatter)

    def _merge(self, count: int, mean: float, scatter: float) -> None:
        if self.count == 0:  # m*n/n need not be m
            self.count, self.mean, self.scatter = count, mean, scatter
            return
        gap, total = mean - self.mean, self.count + count
        self.scatter += scatter + gap**2 * self.count * count / total
        self.mean += gap * count / total
        self.count = total

    @property
    def error(self) -> float:
        """One standard error; infinite for a single sample."""
        if self.count < 2:
            return math.inf
        return math.sqrt(self.scatter / (self.count - 1) / self.count)
