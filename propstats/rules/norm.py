"""Normalisation of each sample: over its units, over groups of them, over positions."""

import math
from dataclasses import dataclass

from propstats.signals import Gradient, Positions, Signal


@dataclass(frozen=True, slots=True)
class Scale:
    """The scales and biases that follow a normalisation, by their moments over units."""

    weight_mean: float = 1.0
    weight_second_moment: float = 1.0
    bias_mean: float = 0.0
    bias_second_moment: float = 0.0


@dataclass(frozen=True, slots=True)
class GroupNorm:
    """Normalisation of each sample over groups of units and their positions: layer, group and instance norm, RMS norm.

    With A the average over the n = units * positions values of a group, `E[A^2] = m^2 + ((q - s)/positions + s -
    m^2)/units`, where s is the mean product of two positions. The variance that divides is `q - E[A^2] + eps`, and
    each mean product loses its own `E[A A']`. Backwards the gradient loses what lies along the constant and along the
    output, two of n dimensions: Ba et al.'s supplement, Eq. 19 f.

    Finite width: the variance of a group fluctuates, and gradients are divided by it: they get the mean of its inverse.
    Two inputs that are divided by numbers of their own lose some of what they have in common.

    Args:
        units: Units of a group.
        positions: Positions of a unit that are normalised together.
        scale: What follows.
        eps: What is added to the variance.
        centred: Whether the average is subtracted; not in RMS norm.

    References:
        Ba, Kiros & Hinton 2016, arXiv:1607.06450, Eq. 4; Wu & He 2018, arXiv:1803.08494, Eqs. 1-5; Ulyanov et al. 2016,
        arXiv:1607.08022, Eq. 9; Zhang & Sennrich 2019, arXiv:1910.07467, Eq. 4.

    >>> layer_norm = GroupNorm(100, 1, Scale(), eps=0.0)
    >>> after = layer_norm.forward(Signal(3.0, 13.0, 2.0))
    >>> after.mean, after.q, after.var, round(layer_norm.backward(Gradient(1.0), Signal(3.0, 13.0, 2.0)).q, 12)
    (0.0, 1.0, 0.5, 0.247474747475)
    """

    units: int
    positions: int
    scale: Scale
    eps: float
    centred: bool = True

    def forward(self, signal: Signal) -> Signal:
        """Return the signal after the layer."""
        pairs = signal.positions or Positions(signal.q, signal.overlap)
        own, other = self._average(signal, signal.q, pairs.same), self._average(signal, signal.overlap, pairs.other)
        variance = signal.q - own
        apart = self._apart(signal, own, signal.overlap - other)
        same, cross = own, other
        if self.positions == 1:  # each position loses its own average
            same = self._average(signal, pairs.same, pairs.same)
            cross = self._average(signal, pairs.other, pairs.other)
        gain = 1.0 / (variance + self.eps)
        mean = 0.0 if self.centred else math.sqrt(gain) * signal.mean * self.scale.weight_mean
        gain, bias = gain * self.scale.weight_second_moment, self.scale.bias_second_moment
        return Signal(
            mean=mean + self.scale.bias_mean,
            q=gain * variance + bias,
            var=max(gain * (signal.var - own + other + apart * (signal.overlap - other)), 0.0),
            error=signal.fresh,  # of the variance over the data; q is what it is made to be
            positions=signal.positions
            and Positions(gain * (pairs.same - same) + bias, gain * (1.0 - apart) * (pairs.other - cross) + bias),
            units=signal.units,
            fresh=signal.fresh,
        )

    def backward(self, gradient: Gradient, signal: Signal) -> Gradient:
        """Return the gradient at the input."""
        pairs = signal.positions or Positions(signal.q, signal.overlap)
        own = self._average(signal, signal.q, pairs.same)
        variance = signal.q - own
        gain = 1.0 / (variance * mean_inverse(self._fluctuation(signal, own)) + self.eps)
        normalised = variance / (variance + self.eps)  # below 1 by what eps takes
        return projected(
            gradient,
            gain * self.scale.weight_second_moment,
            constant=float(self.centred),
            along=normalised * (2.0 - normalised),
            alike=(pairs.same - own) / variance if variance > 0 else 0.0,
            units=self.units,
            positions=self.positions,
            error=signal.inherited,
        )

    def _apart(self, signal: Signal, own: float, product: float) -> float:
        """Return what the mean product of two inputs loses as each is divided by its own standard deviation.

        For n Gaussian numbers of correlation c the mean cosine is `c (1 - (1 - c^2)/(2n))`.
        """
        c = product / (signal.q - own) if signal.q > own else 1.0
        return self._fluctuation(signal, own) * max(1.0 - c * c, 0.0) / 4.0

    def _fluctuation(self, signal: Signal, own: float) -> float:
        """Return the relative variance of what a group is divided by, squared."""
        variance = signal.q - own
        if math.isinf(signal.units) or variance <= 0.0:
            return 0.0
        pairs = signal.positions or Positions(signal.q, signal.overlap)
        one = signal.fresh**2 * signal.units  # of a single squared number
        if self.centred and one <= 2.0:  # a Gaussian, which is one about its mean as well
            one = 2.0
        alike = ((pairs.same - own) / variance) ** 2
        terms = self.units * self.positions / (1.0 + (self.positions - 1) * alike)
        return signal.inherited**2 + one / terms

    def _average(self, signal: Signal, at_one: float, at_two: float) -> float:
        """Return `E[A A']` for the averages over a group of two signals."""
        if not self.centred:
            return 0.0
        square = signal.mean**2
        return square + mean_square(at_one - square, at_two - square, self.units, self.positions)


def mean_square(at_one: float, at_two: float, units: float, positions: int) -> float:
    """Return the mean square of an average over independent units and over alike positions.

    Args:
        at_one: Mean square of a number.
        at_two: Mean product at two positions.
        units: How many independent units.
        positions: How many positions.

    >>> mean_square(1.0, 0.5, 2, 4)
    0.3125
    """
    return ((at_one - at_two) / positions + at_two) / units


def mean_inverse(square: float) -> float:
    """Return `1/E[1/x]` of a positive number with mean 1 and a variance, from a gamma distribution: `1 - variance`.

    At most half is taken off: beyond, rare small numbers rule the expectation, and it need not exist.

    >>> mean_inverse(0.25)
    0.75
    """
    return 1.0 - min(square, 0.5)


def projected(
    gradient: Gradient,
    gain: float,
    *,
    constant: float,
    along: float,
    alike: float,
    units: float,
    positions: int,
    error: float,
) -> Gradient:
    """Return a gradient that has lost what lies along the constant and along the normalised signal.

    Args:
        gradient: The gradient after the layer, independent of the signal.
        gain: The mean squared slope of the layer, were its statistics constants.
        constant: Which share of the component along the constant is lost.
        along: Which share of that along the signal.
        alike: Correlation of the normalised signal at two positions.
        units: How many independent units (or samples) are normalised together.
        positions: How many positions are normalised together.
        error: Relative error of the variance that divides.
    """
    flat = constant * mean_square(gradient.q, gradient.positions, units, positions)
    tilted = along * mean_square(gradient.q, gradient.positions * alike, units, positions)
    if positions > 1:
        pairs = gradient.positions - flat - alike * tilted
    else:  # each position has lost what lies along its own
        pairs = gradient.positions * (1.0 - (constant + along * alike**2) / units)
    return Gradient(
        gain * max(gradient.q - flat - tilted, 0.0), math.hypot(gradient.error, error), gain * pairs, gradient.fresh
    )
