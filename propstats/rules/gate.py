"""Gated units `a*g(b)`: half of the units times an activation of the other half."""

import math
from dataclasses import dataclass, replace

from propstats.activations.gates import Gate
from propstats.rules.elementwise import Elementwise
from propstats.rules.fluctuation import average, possible
from propstats.signals import Gradient, Positions, Signal


@dataclass(frozen=True, slots=True)
class Gated:
    """A gate of units that are independent of each other: all mean products multiply.

    At initialisation a and b are different rows of random weights times the same input. Backwards one half of the
    inputs gets `E[g(b)^2]`, the other `E[a^2] E[g'(b)^2]`; the gradient's second moment is the mean of both.

    Finite width: `q' = E[a^2] E[g^2]`, so that relative errors of both halves, which stem from the same input, add; the
    fourth moments multiply.

    References:
        Dauphin et al. 2017, arXiv:1612.08083, Eq. 1; Shazeer 2020, arXiv:2002.05202, Eqs. 5 and 6.

    >>> from propstats.activations.gates import gate
    >>> round(Gated(gate("reglu")).forward(Signal(0.0, 1.0, 1.0)).q, 12)
    0.5
    """

    gate: Gate

    def forward(self, signal: Signal) -> Signal:
        """Return the signal after the layer, which has half as many units."""
        half = replace(signal, units=signal.units / 2, fresh=signal.fresh * math.sqrt(2.0))
        half = replace(half, error=math.hypot(signal.inherited, half.fresh))
        g = Elementwise(self.gate.gate).forward(half)
        # (1 + x)(1 + y) - 1 for the relative variances of a^2 and g^2 over units.
        units = half.units
        own = (1 + units * half.fresh**2) * (1 + units * g.fresh**2) - 1 if math.isfinite(units) else 0.0
        fresh = math.sqrt(own / units)
        after = average([(self._at(one), probability) for one, probability in possible(signal)])
        return replace(after, error=math.hypot(signal.inherited + g.inherited, fresh), units=units, fresh=fresh)

    def backward(self, gradient: Gradient, signal: Signal) -> Gradient:
        """Return the gradient at the input: the mean over both halves."""
        unit, q, positions = Elementwise(self.gate.gate), 0.0, 0.0
        for one, probability in possible(signal):
            still = replace(one, units=math.inf)
            g, slope = unit.forward(still), unit.backward(gradient, still)
            same, g_same = ((s.positions.same if s.positions else 0.0) for s in (one, g))
            q += probability * 0.5 * (g.q * gradient.q + one.q * slope.q)
            positions += probability * 0.5 * (g_same * gradient.positions + same * slope.positions)
        slope, after = unit.backward(gradient, signal), self.forward(signal)
        return Gradient(q, math.hypot(slope.error, after.inherited), positions, slope.fresh)

    def _at(self, signal: Signal) -> Signal:
        """Return the statistics after the gate for a Gaussian."""
        g = Elementwise(self.gate.gate).forward(replace(signal, units=math.inf, error=0.0, fresh=0.0))
        positions = None
        if signal.positions is not None and g.positions is not None:
            positions = Positions(signal.positions.same * g.positions.same, signal.positions.other * g.positions.other)
        var = signal.var * g.q + signal.overlap * g.var
        return Signal(signal.mean * g.mean, signal.q * g.q, var, positions=positions)
