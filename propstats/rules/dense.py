"""Layers of weights: fully connected and convolutional."""

import math
from dataclasses import dataclass

from propstats.signals import Gradient, Positions, Signal


@dataclass(frozen=True, slots=True)
class Weights:
    """A linear layer whose weights are as good as drawn at random.

    With zero-mean weights that are independent of the input, `q' = fan_in E[w^2] q + E[b^2]` whatever the correlations
    of the inputs, and the same without biases for the variance over the data; what two positions have in common goes
    the way of q. Weights that share a mean add what the units' means give coherently, `fan_in (fan_in - 1) E[w]^2
    E[x]^2`, to every mean product. Backwards `fan_out` takes the place of `fan_in`, and gradients of two positions keep
    what they had in common.

    Finite width: q is a mean over `units` quadratic forms in rows of weights, the gradient's over as many as there are
    units at the input; for Gaussian weights the relative variance is at most 2 by their number (one input, one
    position; data and positions average it down).

    Args:
        weight_mean: Mean of the weights.
        weight_second_moment: Mean squared weight.
        bias_mean: Mean of the biases, 0 without.
        bias_second_moment: Mean squared bias, 0 without.
        fan_in: Terms in the sum of one output, in the mean over outputs (padding makes it a fraction).
        fan_out: Terms in the gradient of one input, in the mean over inputs.
        units: Independent rows of weights: the relative variance of q over draws is at most `2/units`.
        taps: How many positions of a unit a sum takes.
        shared_out: Which share of its weights the output at one position has in common with that at another.
        shared_in: The same for the gradients at two positions of the input.

    References:
        He et al. 2015, arXiv:1502.01852, Eqs. 7 and 13; Schoenholz et al. 2017, arXiv:1611.01232, Eq. 3.

    >>> he = Weights(0.0, 2 / 100, 0.0, 0.0, fan_in=100, fan_out=50, units=50)
    >>> after = he.forward(Signal(0.0, 0.5, 0.5))
    >>> after.q, after.error, he.backward(Gradient(1.0), Signal(0.0, 0.5, 0.5)).q
    (1.0, 0.2, 1.0)
    """

    weight_mean: float
    weight_second_moment: float
    bias_mean: float
    bias_second_moment: float
    fan_in: float
    fan_out: float
    units: int
    taps: int = 1
    shared_out: float = 1.0
    shared_in: float = 1.0

    @property
    def sigma_w(self) -> float:
        """Standard deviation of the weights times the square root of the fan-in."""
        return math.sqrt(self.weight_second_moment * self.fan_in)

    def forward(self, signal: Signal) -> Signal:
        """Return the signal after the layer."""
        gain = self.fan_in * self.weight_second_moment
        common = self.fan_in * self.weight_mean * signal.mean
        constant = self.bias_second_moment + 2 * common * self.bias_mean + common**2 * (1.0 - 1.0 / self.fan_in)
        q, positions, fresh = gain * signal.q + constant, signal.positions, math.sqrt(2.0 / self.units)
        share = gain * signal.q / q if q > 0.0 else 0.0  # biases have no error
        return Signal(
            mean=common + self.bias_mean,
            q=q,
            var=gain * signal.var,  # biases are the same for all data
            error=math.hypot(share * self._summed(signal), fresh),
            positions=positions
            and Positions(
                self.shared_out * gain * positions.same + constant, self.shared_out * gain * positions.other + constant
            ),
            units=self.units,
            fresh=fresh,
        )

    def _summed(self, signal: Signal) -> float:
        """Return the relative error of the sum of squares that one output takes."""
        if math.isinf(signal.units):
            return signal.error
        # What one number adds, by how many of them there are: positions that are alike count as fewer.
        alike = (signal.positions.same / signal.q) ** 2 if signal.positions is not None and signal.q > 0 else 1.0
        terms = self.fan_in / (1.0 + (self.taps - 1) * alike)
        return math.hypot(signal.inherited, signal.fresh * math.sqrt(signal.units / terms))

    def backward(self, gradient: Gradient, signal: Signal) -> Gradient:
        """Return the gradient at the input."""
        gain, fresh = self.fan_out * self.weight_second_moment, math.sqrt(2.0 / signal.units)
        return Gradient(
            gain * gradient.q, math.hypot(gradient.error, fresh), self.shared_in * gain * gradient.positions, fresh
        )
