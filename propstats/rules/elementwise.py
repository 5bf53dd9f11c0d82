"""Activations."""

import math
from dataclasses import dataclass, replace

import numpy as np

from propstats.activations import Activation
from propstats.expectation import quadrature
from propstats.expectation.dual import difference, dual, dual_slope
from propstats.rules.fluctuation import average, possible
from propstats.signals import Gradient, Positions, Signal

#: The relative step of the second moment for sensitivities to it.
_STEP = 1e-3


@dataclass(frozen=True, slots=True)
class Elementwise:
    """An activation, for pre-activations that are Gaussian over the units.

    Where the second moment of the pre-activations fluctuates, expectations are averages over it, too. Finite width: a
    relative error of the input's second moment is passed on with the slope `d log q'/d log q`, and
    the units' own spread adds `Var(phi^2)/E[phi^2]^2` by their number (5 for relu, where a Gaussian has 2).

    References:
        Poole et al. 2016, arXiv:1606.05340, Eqs. 3 and 5; Schoenholz et al. 2017, arXiv:1611.01232, Eq. 5.

    >>> from propstats.activations import activation
    >>> relu, wide = Elementwise(activation("relu")), Signal(0.0, 2.0, 2.0)
    >>> after = relu.forward(wide)
    >>> round(after.q, 12), round(after.c, 12), round(relu.backward(Gradient(1.0), wide).q, 12)
    (1.0, 0.318309886184, 0.5)
    """

    activation: Activation

    def forward(self, signal: Signal) -> Signal:
        """Return the signal after the activation."""
        own, passed_on = self._fluctuation(signal)
        fresh = math.sqrt(own / signal.units)
        after = average([(self._at(one), probability) for one, probability in possible(signal)])
        error = math.hypot(passed_on * signal.inherited, fresh)
        return replace(after, error=error, units=signal.units, fresh=fresh)

    def backward(self, gradient: Gradient, signal: Signal) -> Gradient:
        """Return `E[phi'(h)^2]` times the gradient's second moment: slopes and gradients count as independent."""
        chi = shared = 0.0
        for one, probability in possible(signal):
            chi += probability * self._chi(one)
            shared += probability * self._shared_slope(gradient, one)
        if chi <= 0.0 or math.isinf(signal.units):
            error, fresh = gradient.error, gradient.fresh
        else:
            fourth = quadrature.slope_law(self.activation, signal.mean, math.sqrt(signal.spread)).moment(2)
            fresh = math.sqrt(max(3.0 * fourth / chi**2 - 1.0, 0.0) / signal.units)
            error = math.hypot(gradient.inherited, fresh, self._slope_sensitivity(signal) * signal.inherited)
        return Gradient(chi * gradient.q, error, gradient.positions * shared, fresh)

    def _at(self, signal: Signal) -> Signal:
        """Return the statistics after the activation for a Gaussian."""
        phi, std = self.activation, math.sqrt(signal.spread)
        moments = quadrature.moments(phi, mean=signal.mean, std=std)
        # Over the units, two inputs' pre-activations are Gaussians that differ by what varies over the data.
        common = math.sqrt(max(signal.spread - signal.var, 0.0))
        # Thousands of layers on, what varies is so small that rounding may leave less than nothing of it.
        var = max(difference(phi, mean=signal.mean, common=common, own=math.sqrt(signal.var)), 0.0)
        return Signal(moments["mean"].value, moments["second_moment"].value, var, positions=self._positions(signal))

    def _chi(self, signal: Signal) -> float:
        moments = quadrature.moments(self.activation, mean=signal.mean, std=math.sqrt(signal.spread))
        return moments["slope_second_moment"].value

    def _positions(self, signal: Signal) -> Positions | None:
        if signal.positions is None:
            return None
        if signal.spread == 0.0:
            q = float(self.activation(np.float64(signal.mean))) ** 2
            return Positions(q, q)
        pair = [signal.positions.same, signal.positions.other]
        found = dual(
            self.activation, mean=signal.mean, std=math.sqrt(signal.spread), correlation=_correlations(pair, signal)
        )
        same, other = np.asarray(found).tolist()
        return Positions(same, other)

    def _shared_slope(self, gradient: Gradient, signal: Signal) -> float:
        """Return the mean product of the slopes at two positions, where gradients have something in common there."""
        if gradient.positions == 0.0 or signal.positions is None or signal.spread == 0.0:
            return 0.0
        [rho] = _correlations([signal.positions.same], signal)
        slope = dual_slope(self.activation, mean=signal.mean, std=math.sqrt(signal.spread), correlation=float(rho))
        return slope / signal.spread

    def _fluctuation(self, signal: Signal) -> tuple[float, float]:
        """Return `Var(phi^2)/E[phi^2]^2` and how a relative change of the second moment is passed on."""
        if signal.spread == 0.0 or (math.isinf(signal.units) and signal.error == 0.0):
            return 0.0, 1.0

        def power(order: int, std: float) -> float:
            kinks = self.activation.kinks
            found = quadrature.expect(lambda x: self.activation(x) ** order, mean=signal.mean, std=std, kinks=kinks)
            return float(found)

        low, high = (power(2, std) for std in _moved(signal))
        q, fourth = power(2, math.sqrt(signal.spread)), power(4, math.sqrt(signal.spread))
        if min(low, high, q) <= 0.0 or not math.isfinite(fourth):
            return 0.0, 1.0
        return max(fourth / q / q - 1.0, 0.0), abs(math.log(high / low)) / (2 * _STEP)

    def _slope_sensitivity(self, signal: Signal) -> float:
        """Return by how much the mean squared slope changes, relative to a relative change of the second moment."""
        low, high = (self._chi(replace(signal, q=signal.mean**2 + std**2)) for std in _moved(signal))
        return abs(math.log(high / low)) / (2 * _STEP) if min(low, high) > 0.0 else 0.0


def _moved(signal: Signal) -> tuple[float, float]:
    """Return the standard deviations that belong to a slightly smaller and larger second moment."""
    low, high = (max(signal.spread + math.expm1(sign * _STEP) * signal.q, 0.0) for sign in (-1, 1))
    return math.sqrt(low), math.sqrt(high)


def _correlations(overlaps: list[float], signal: Signal) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.clip((np.array(overlaps) - signal.mean**2) / signal.spread, -1.0, 1.0)
