"""How the outputs and the inputs of a convolution meet, over all its axes: the terms of its sums, counted."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from propstats.theory.geometry import Axis


@dataclass(frozen=True, slots=True)
class Meetings:
    """How the outputs and the input positions of a window meet.

    Args:
        inputs: Number of input positions.
        outputs: Number of outputs.
        pairs: Pairs of an output and an input position inside its window.
        squared_by_tap: Sum over the window's taps of the squared number of pairs that meet at them.
    """

    inputs: int
    outputs: int
    pairs: int
    squared_by_tap: int

    @property
    def taps(self) -> int:
        """How many inputs an output meets, rounded: padding leaves some with fewer."""
        return round(self.pairs / self.outputs)

    @property
    def shared_by_outputs(self) -> float:
        """Which share of its taps an output has in common with another, in the mean over pairs.

        Only there what their inputs have in common meets the same weight: all taps, but for padding and for transposed
        convolutions with a stride. (Padding that repeats inputs lets a few pairs of outputs meet the same input at the
        same tap; they count as any two positions.)
        """
        return self._shared(self.outputs)

    @property
    def shared_by_inputs(self) -> float:
        """Which share of its taps an input has in common with another, in the mean over pairs."""
        return self._shared(self.inputs)

    def _shared(self, count: int) -> float:
        return (self.squared_by_tap - self.pairs) / ((count - 1) * self.pairs) if count > 1 else 1.0


def meetings(axes: Sequence[Axis]) -> Meetings:
    """Count who meets whom; along several axes the numbers multiply.

    >>> meetings([Axis(5, 3, padding=(1, 1))])  # 2 + 3 + 3 + 3 + 2 taps inside
    Meetings(inputs=5, outputs=5, pairs=13, squared_by_tap=57)
    """
    taps = [np.bincount(axis.pairs[2]) for axis in axes]
    return Meetings(
        inputs=math.prod(axis.size for axis in axes),
        outputs=math.prod(axis.outputs for axis in axes),
        pairs=math.prod(int(counts.sum()) for counts in taps),
        squared_by_tap=math.prod(int(np.square(counts).sum()) for counts in taps),
    )
