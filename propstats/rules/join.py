"""Layers of several inputs: sums, and units side by side."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from propstats.rules.affine import Affine
from propstats.signals import Gradient, Positions, Signal


@dataclass(frozen=True, slots=True)
class Add:
    """A sum, as of a residual branch: mean products add, and the inputs' means multiply.

    That is exact where all inputs but one have passed random zero-mean weights of their own since they parted: then
    `E[x y] = E[x] E[y]` over the units. The network sees to the others (`propstats.rules.shared`). Backwards each input
    gets the whole gradient.

    Finite width: the relative errors of the inputs, weighted by their shares of q, and a chance correlation of the
    inputs, `E[x y]` of the order of `sqrt(q_x q_y/units)`. What the inputs inherit may stem from the same layers: it is
    added in full.

    >>> one = Signal(0.0, 1.0, 0.5)
    >>> (after := Add().join([one, one])).q, after.c
    (2.0, 0.5)
    """

    def join(self, signals: Sequence[Signal]) -> Signal:
        """Return the signal after the layer."""
        crossed = sum(2 * a.mean * b.mean for a, b in combinations(signals, 2))
        q = sum(signal.q for signal in signals) + crossed
        units = min(signal.units for signal in signals)
        chance = math.sqrt(sum(4 * a.q * b.q / units for a, b in combinations(signals, 2)))
        fresh = math.hypot(chance, *(s.q * s.fresh for s in signals)) / q if q > 0 else 0.0
        before = sum(s.q * s.inherited for s in signals) / q if q > 0 else 0.0
        pairs = [signal.positions for signal in signals if signal.positions is not None]
        positions = None
        if len(pairs) == len(signals):
            positions = Positions(sum(p.same for p in pairs) + crossed, sum(p.other for p in pairs) + crossed)
        return Signal(
            mean=sum(signal.mean for signal in signals),
            q=q,
            var=sum(signal.var for signal in signals),
            error=math.hypot(before, fresh),
            positions=positions,
            units=units,
            fresh=fresh,
        )

    def split(self, gradient: Gradient, signals: Sequence[Signal]) -> Sequence[Gradient]:
        """Return the gradient at each input."""
        return [gradient] * len(signals)


@dataclass(frozen=True, slots=True)
class Difference:
    """`x - z`, of signals that are independent but for their means, as in a sum."""

    def join(self, signals: Sequence[Signal]) -> Signal:
        """Return the signal after the layer."""
        first, second = signals
        return Add().join([first, Affine(-1.0).forward(second)])

    def split(self, gradient: Gradient, signals: Sequence[Signal]) -> Sequence[Gradient]:
        """Return the gradient at each input."""
        return [gradient] * len(signals)


@dataclass(frozen=True, slots=True)
class Concatenate:
    """Units of several inputs side by side: all statistics are means over units, weighted by their numbers.

    An activation behind takes all units for one Gaussian: exact where the inputs have the same statistics, or where the
    units next meet weights; otherwise put the activation before the concatenation.

    Finite width: as of a sum, without the chance correlation.

    Args:
        units: How many units each input has.

    >>> Concatenate((1, 3)).join([Signal(0.0, 1.0, 1.0), Signal(2.0, 5.0, 1.0)]).q
    4.0
    """

    units: tuple[int, ...]

    def join(self, signals: Sequence[Signal]) -> Signal:
        """Return the signal after the layer."""
        total = sum(self.units)
        shares = [units / total for units in self.units]

        def average(values: Sequence[float]) -> float:
            return math.fsum(share * value for share, value in zip(shares, values, strict=True))

        q = average([signal.q for signal in signals])

        parts = [
            (share * signal.q / q if q > 0 else 0.0, signal) for share, signal in zip(shares, signals, strict=True)
        ]
        fresh = math.hypot(*(part * signal.fresh for part, signal in parts))
        before = sum(part * signal.inherited for part, signal in parts)
        pairs = [signal.positions for signal in signals if signal.positions is not None]
        positions = None
        if len(pairs) == len(signals):
            positions = Positions(average([p.same for p in pairs]), average([p.other for p in pairs]))
        return Signal(
            mean=average([signal.mean for signal in signals]),
            q=q,
            var=average([signal.var for signal in signals]),
            error=math.hypot(before, fresh),
            positions=positions,
            units=sum(signal.units for signal in signals),
            fresh=fresh,
        )

    def split(self, gradient: Gradient, signals: Sequence[Signal]) -> Sequence[Gradient]:
        """Return the gradient at each input."""
        return [gradient] * len(signals)
