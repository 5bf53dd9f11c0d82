"""Activations."""

import math
from dataclasses import dataclass

from propstats.activations import Activation
from propstats.estimate import Signal
from propstats.expectation import quadrature
from propstats.expectation.dual import difference


@dataclass(frozen=True, slots=True)
class Elementwise:
    """An activation, for pre-activations that are Gaussian over the units.

    References:
        Poole et al. 2016, arXiv:1606.05340, Eqs. 3 and 5; Schoenholz et al. 2017, arXiv:1611.01232, Eq. 5.
    """

    activation: Activation

    def forward(self, signal: Signal) -> Signal:
        """Return the signal after the activation."""
        moments = quadrature.moments(self.activation, mean=signal.mean, std=_std(signal))
        # Over the units, two inputs' pre-activations are Gaussians that differ by what varies over the data.
        var = difference(
            self.activation,
            mean=signal.mean,
            common=math.sqrt(max(signal.q - signal.mean**2 - signal.var, 0.0)),
            own=math.sqrt(signal.var),
        )
        return Signal(moments["mean"].value, moments["second_moment"].value, var, signal.error)

    def backward(self, gradient: float, signal: Signal) -> float:
        """Return `E[phi'(h)^2]` times the gradient's second moment: slopes and gradients count as independent."""
        moments = quadrature.moments(self.activation, mean=signal.mean, std=_std(signal))
        return moments["slope_second_moment"].value * gradient


def _std(signal: Signal) -> float:
    return math.sqrt(max(signal.q - signal.mean**2, 0.0))
