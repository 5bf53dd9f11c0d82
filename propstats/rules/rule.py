"""What a rule is."""

from typing import Protocol

from propstats.estimate import Signal


class Rule(Protocol):
    """What one layer does to a signal and to a gradient, on average over random weights.

    Rules know nothing of torch: `propstats.rules.from_torch` reads them off modules.
    """

    def forward(self, signal: Signal) -> Signal:
        """Return the signal after the layer."""
        ...

    def backward(self, gradient: float, signal: Signal) -> float:
        """Return the second moment of the gradient at the input.

        Args:
            gradient: The second moment of the gradient at the output.
            signal: The signal at the input.
        """
        ...
