"""Layers of weights: fully connected and convolutional."""

import math
from dataclasses import dataclass

from propstats.estimate import Signal


@dataclass(frozen=True, slots=True)
class Weights:
    """A linear layer whose weights are as good as drawn at random.

    With zero-mean weights that are independent of the input, `q' = fan_in E[w^2] q + E[b^2]` whatever the correlations
    of the inputs, and the same without biases for the variance over the data; backwards `fan_out` takes the place of
    `fan_in`.

    Args:
        weight_mean: Mean of the weights.
        weight_second_moment: Mean squared weight.
        bias_mean: Mean of the biases, 0 without.
        bias_second_moment: Mean squared bias, 0 without.
        fan_in: Terms in the sum of one output, in the mean over outputs (padding makes it a fraction).
        fan_out: Terms in the gradient of one input, in the mean over inputs.
        units: Independent rows of weights: the relative variance of q over draws is at most `2/units`.

    References:
        He et al. 2015, arXiv:1502.01852, Eqs. 7 and 13; Schoenholz et al. 2017, arXiv:1611.01232, Eq. 3.
    """

    weight_mean: float
    weight_second_moment: float
    bias_mean: float
    bias_second_moment: float
    fan_in: float
    fan_out: float
    units: int

    @property
    def sigma_w(self) -> float:
        """Standard deviation of the weights times the square root of the fan-in."""
        return math.sqrt(self.weight_second_moment * self.fan_in)

    def forward(self, signal: Signal) -> Signal:
        """Return the signal after the layer."""
        gain = self.fan_in * self.weight_second_moment
        return Signal(
            mean=self.fan_in * self.weight_mean * signal.mean + self.bias_mean,
            q=gain * signal.q + self.bias_second_moment,
            var=gain * signal.var,  # biases are the same for all data
            error=math.hypot(signal.error, math.sqrt(2.0 / self.units)),
        )

    def backward(self, gradient: float, signal: Signal) -> float:
        """Return the second moment of the gradient at the input."""
        return self.fan_out * self.weight_second_moment * gradient
