"""Normalisation over the data: batch norm."""

import math
from dataclasses import dataclass

from propstats.rules.norm import Scale, mean_inverse, mean_square, projected
from propstats.signals import Gradient, Positions, Signal


@dataclass(frozen=True, slots=True)
class BatchNorm:
    """Batch normalisation by the statistics of a batch, over the data and the positions.

    At test time this is the rule too, without what the backward pass loses, if the running statistics describe the
    data: `batch` is infinite then.

    Finite width: none of its own; the variance over the data counts as the same for all units but for what a batch of
    Gaussians leaves open. Units that are off for all of a batch are beyond it.

    Args:
        scale: What follows.
        eps: What is added to the variance.
        positions: Positions of a unit.
        batch: Samples of a batch.

    References:
        Ioffe & Szegedy 2015, arXiv:1502.03167, Algorithm 1 and section 3.

    >>> BatchNorm(Scale(), 0.0).forward(Signal(1.0, 4.0, 2.0)).var
    1.0
    """

    scale: Scale
    eps: float
    positions: int = 1
    batch: float = math.inf

    def forward(self, signal: Signal) -> Signal:
        """Return the signal after the layer."""
        pairs = signal.positions or Positions(signal.q, signal.overlap)
        own = self._average(signal, pairs)
        gain = self.scale.weight_second_moment / (signal.q - own + self.eps)
        bias = self.scale.bias_second_moment
        return Signal(
            mean=self.scale.bias_mean,
            q=gain * (signal.q - own) + bias,
            var=gain * signal.var,
            positions=signal.positions
            and Positions(gain * (pairs.same - own) + bias, gain * (pairs.other - own) + bias),
            units=signal.units,
        )

    def backward(self, gradient: Gradient, signal: Signal) -> Gradient:
        """Return the gradient at the input."""
        pairs = signal.positions or Positions(signal.q, signal.overlap)
        own = self._average(signal, pairs)
        variance = signal.q - own
        normalised = variance / (variance + self.eps)
        alike = (pairs.same - own) / variance if variance > 0 else 0.0
        freedom = (self.batch - 1.0) * self.positions / (1.0 + (self.positions - 1) * alike**2)
        return projected(
            gradient,
            self.scale.weight_second_moment / (variance * mean_inverse(2.0 / freedom) + self.eps),
            constant=1.0,
            along=normalised * (2.0 - normalised),
            alike=alike,
            units=self.batch,
            positions=self.positions,
            error=signal.error,
        )

    def _average(self, signal: Signal, pairs: Positions) -> float:
        """Return the mean square of a unit's average over the batch and the positions."""
        apart = mean_square(signal.overlap, pairs.other, 1.0, self.positions)
        return mean_square(signal.q - signal.overlap, pairs.same - pairs.other, self.batch, self.positions) + apart


@dataclass(frozen=True, slots=True)
class RunningNorm:
    """Batch normalisation with running statistics that describe the data (where they do not, the audit shows it).

    Each unit then has its scale and shift for deviation and mean, over the data and the positions; what two inputs, or
    two positions, have in common is theirs of the input about that mean.

    Args:
        weight_second_moment: Mean squared scale.
        bias_mean: Mean bias.
        bias_second_moment: Mean squared bias.
        slope_second_moment: Mean over units of `(scale / running std)^2`.
        positions: Positions of a unit.

    References:
        Ioffe & Szegedy 2015, arXiv:1502.03167, Algorithm 2.
    """

    weight_second_moment: float
    bias_mean: float
    bias_second_moment: float
    slope_second_moment: float
    positions: int = 1

    def forward(self, signal: Signal) -> Signal:
        """Return the signal after the layer."""
        pairs = signal.positions or Positions(signal.q, signal.overlap)
        own = mean_square(signal.overlap, pairs.other, 1.0, self.positions)
        variance, bias = signal.q - own, self.bias_second_moment
        gain = self.weight_second_moment / variance if variance > 0.0 else 0.0
        return Signal(
            mean=self.bias_mean,
            q=self.weight_second_moment + bias,
            var=gain * signal.var if variance > 0.0 else self.weight_second_moment,
            positions=signal.positions
            and Positions(gain * (pairs.same - own) + bias, gain * (pairs.other - own) + bias),
            units=signal.units,
        )

    def backward(self, gradient: Gradient, signal: Signal) -> Gradient:
        """Return the gradient at the input."""
        gain = self.slope_second_moment
        return Gradient(gain * gradient.q, gradient.error, gain * gradient.positions, gradient.fresh)
