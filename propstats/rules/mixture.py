"""Units that are not all alike: shares of them follow rules of their own."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from propstats.rules.fluctuation import average
from propstats.rules.rule import Rule
from propstats.signals import Gradient, Signal


@dataclass(frozen=True, slots=True)
class Mixture:
    """Equal shares of the units follow each of several rules; all statistics are means over units.

    Finite width: the errors of the rules, in the mean.

    >>> from propstats.rules.affine import Affine
    >>> Mixture([Affine(1.0), Affine(3.0)]).forward(Signal(0.0, 1.0, 1.0)).q
    5.0
    """

    rules: Sequence[Rule]

    def forward(self, signal: Signal) -> Signal:
        """Return the signal after the layer."""
        parts, share = [rule.forward(signal) for rule in self.rules], 1.0 / len(self.rules)
        after = average([(part, share) for part in parts])
        fresh = math.sqrt(share * sum(part.fresh**2 for part in parts))
        return replace(after, error=math.hypot(share * sum(part.inherited for part in parts), fresh), fresh=fresh)

    def backward(self, gradient: Gradient, signal: Signal) -> Gradient:
        """Return the gradient at the input."""
        parts, share = [rule.backward(gradient, signal) for rule in self.rules], 1.0 / len(self.rules)
        return Gradient(
            share * sum(part.q for part in parts),
            share * sum(part.error for part in parts),
            share * sum(part.positions for part in parts),
            share * sum(part.fresh for part in parts),
        )
