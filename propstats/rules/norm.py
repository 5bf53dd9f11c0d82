"""Normalisation layers, as they act at test time, and layers that change nothing."""

from dataclasses import dataclass

from propstats.estimate import Signal


@dataclass(frozen=True, slots=True)
class BatchNorm:
    """Batch normalisation with running statistics that describe the data (where they do not, the audit shows it).

    Args:
        weight_second_moment: Mean squared scale.
        bias_mean: Mean bias.
        bias_second_moment: Mean squared bias.
        slope_second_moment: Mean over units of `(scale / running std)^2`.

    References:
        Ioffe & Szegedy 2015, arXiv:1502.03167, Algorithm 2.
    """

    weight_second_moment: float
    bias_mean: float
    bias_second_moment: float
    slope_second_moment: float

    def forward(self, signal: Signal) -> Signal:
        """Return the signal after the layer."""
        q = self.weight_second_moment + self.bias_second_moment
        return Signal(self.bias_mean, q, self.weight_second_moment)

    def backward(self, gradient: float, signal: Signal) -> float:
        """Return the second moment of the gradient at the input."""
        return self.slope_second_moment * gradient


@dataclass(frozen=True, slots=True)
class LayerNorm:
    """Layer normalisation over units, for wide layers.

    Args:
        weight_second_moment: Mean squared scale.
        bias_mean: Mean bias.
        bias_second_moment: Mean squared bias.
        eps: What is added to the variance.

    References:
        Ba, Kiros & Hinton 2016, arXiv:1607.06450, Eq. 4.
    """

    weight_second_moment: float
    bias_mean: float
    bias_second_moment: float
    eps: float

    def forward(self, signal: Signal) -> Signal:
        """Return the signal after the layer."""
        gain = self.weight_second_moment / (signal.q - signal.mean**2 + self.eps)
        q = gain * (signal.q - signal.mean**2) + self.bias_second_moment
        return Signal(self.bias_mean, q, gain * signal.var)

    def backward(self, gradient: float, signal: Signal) -> float:
        """Return the second moment of the gradient at the input."""
        return self.weight_second_moment / (signal.q - signal.mean**2 + self.eps) * gradient


@dataclass(frozen=True, slots=True)
class Unchanged:
    """A layer that hands on what it gets: identity, flatten, dropout at test time."""

    def forward(self, signal: Signal) -> Signal:
        """Return the signal."""
        return signal

    def backward(self, gradient: float, signal: Signal) -> float:
        """Return the gradient's second moment."""
        return gradient
