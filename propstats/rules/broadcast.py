"""Joins of signals of different sizes: a gate for each channel, an embedding of time added everywhere."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from propstats.rules.parts import Repeat
from propstats.rules.rule import Join
from propstats.signals import Gradient, Positions, Signal


@dataclass(frozen=True, slots=True)
class Broadcast:
    """A sum or a product of signals some of which are repeated along positions, or along units, to meet the others.

    What is repeated is the same at all positions. Backwards it gets the sum of the gradients of its copies: those at
    different positions have in common what positions have, those of different units nothing.

    Args:
        together: What is done with them.
        positions: How often each signal is repeated along positions.
        units: How often along units.

    >>> from propstats.rules.join import Add
    >>> one = Signal(0.0, 1.0, 1.0)
    >>> [part.q for part in Broadcast(Add(), (1, 16), (1, 1)).split(Gradient(2.0), [one, one])]
    [2.0, 32.0]
    """

    together: Join
    positions: tuple[int, ...]
    units: tuple[int, ...]

    def join(self, signals: Sequence[Signal]) -> Signal:
        """Return the signal after the layer."""
        return self.together.join(self._repeated(signals))

    def split(self, gradient: Gradient, signals: Sequence[Signal]) -> Sequence[Gradient]:
        """Return the gradient at each input."""
        parts = self.together.split(gradient, self._repeated(signals))
        found = []
        for part, signal, positions, units in zip(parts, signals, self.positions, self.units, strict=True):
            found.append(Repeat(units, units=True).backward(Repeat(positions).backward(part, signal), signal))
        return found

    def _repeated(self, signals: Sequence[Signal]) -> list[Signal]:
        return [
            replace(signal, positions=Positions(signal.q, signal.overlap))
            if times > 1 and signal.positions is None
            else signal
            for signal, times in zip(signals, self.positions, strict=True)
        ]
