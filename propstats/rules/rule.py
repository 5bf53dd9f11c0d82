"""What a rule is."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from propstats.signals import Gradient, Signal


class Rule(Protocol):
    """What one layer does to a signal and to a gradient, on average over random weights.

    Rules know nothing of torch: `propstats.rules.from_torch` reads them off modules.
    """

    def forward(self, signal: Signal) -> Signal:
        """Return the signal after the layer."""
        ...

    def backward(self, gradient: Gradient, signal: Signal) -> Gradient:
        """Return the gradient at the input.

        Args:
            gradient: The gradient at the output.
            signal: The signal at the input.
        """
        ...


@runtime_checkable
class Join(Protocol):
    """What a layer of several inputs does; their units count as independent of each other."""

    def join(self, signals: Sequence[Signal]) -> Signal:
        """Return the signal after the layer."""
        ...

    def split(self, gradient: Gradient, signals: Sequence[Signal]) -> Sequence[Gradient]:
        """Return the gradient at each input."""
        ...
