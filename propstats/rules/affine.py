"""Layers that scale and shift, layers that hand on what they get, and rules one after the other."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from propstats.rules.rule import Rule
from propstats.signals import Gradient, Positions, Signal


@dataclass(frozen=True, slots=True)
class Affine:
    """`y = scale x + shift`, the same for all units: exact at any width.

    >>> Affine(2.0, 1.0).forward(Signal(1.0, 3.0, 1.0))
    Signal(mean=3.0, q=17.0, var=4.0, error=0.0, positions=None, units=inf, fresh=0.0)
    """

    scale: float
    shift: float = 0.0

    def forward(self, signal: Signal) -> Signal:
        """Return the signal after the layer."""

        def product(overlap: float) -> float:
            return self.scale**2 * overlap + 2 * self.scale * self.shift * signal.mean + self.shift**2

        q, positions = product(signal.q), signal.positions
        # What is shifted carries no error: the relative one shrinks (or grows) with the share of the rest.
        share = self.scale**2 * signal.q / q if q > 0 else 1.0
        return replace(
            signal,
            mean=self.scale * signal.mean + self.shift,
            q=q,
            var=self.scale**2 * signal.var,
            error=share * signal.error,
            fresh=share * signal.fresh,
            positions=positions and Positions(product(positions.same), product(positions.other)),
        )

    def backward(self, gradient: Gradient, signal: Signal) -> Gradient:
        """Return the gradient at the input."""
        square = self.scale**2
        return replace(gradient, q=square * gradient.q, positions=square * gradient.positions)


@dataclass(frozen=True, slots=True)
class Unchanged:
    """A layer that hands on what it gets: identity, dropout at test time."""

    def forward(self, signal: Signal) -> Signal:
        """Return the signal."""
        return signal

    def backward(self, gradient: Gradient, signal: Signal) -> Gradient:
        """Return the gradient."""
        return gradient


@dataclass(frozen=True, slots=True)
class Flatten:
    """Positions become units: all that was pooled over them stays pooled, and there is one position left.

    Args:
        positions: How many positions there were.
    """

    positions: int

    def forward(self, signal: Signal) -> Signal:
        """Return the signal after the layer."""
        # The positions of a unit are not independent of each other: `units` stays what it was.
        return replace(signal, positions=None)

    def backward(self, gradient: Gradient, signal: Signal) -> Gradient:
        """Return the gradient at the input: behind are weights for each position, independent of each other."""
        return replace(gradient, positions=0.0)


@dataclass(frozen=True, slots=True)
class Chain:
    """Rules one after the other."""

    rules: Sequence[Rule]

    def forward(self, signal: Signal) -> Signal:
        """Return the signal after the last rule."""
        for rule in self.rules:
            signal = rule.forward(signal)
        return signal

    def backward(self, gradient: Gradient, signal: Signal) -> Gradient:
        """Return the gradient before the first rule."""
        signals = []
        for rule in self.rules:
            signals.append(signal)
            signal = rule.forward(signal)
        for rule, before in zip(reversed(self.rules), reversed(signals), strict=True):
            gradient = rule.backward(gradient, before)
        return gradient
