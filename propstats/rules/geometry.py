"""Which outputs of a sliding window meet which inputs: the terms of convolutions and pooling, counted."""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from propstats.errors import DomainError


@dataclass(frozen=True, slots=True)
class Meetings:
    """How the outputs and the input positions of a window meet.

    Args:
        inputs: Number of input positions.
        outputs: Number of outputs.
        pairs: Pairs of an output and an input position inside its window.
        squared_by_output: Sum over outputs of the squared number of their inputs.
        squared_by_input: Sum over inputs of the squared number of their outputs.
        squared_by_tap: Sum over the window's taps of the squared number of pairs that meet at them.
    """

    inputs: int
    outputs: int
    pairs: int
    squared_by_output: int
    squared_by_input: int
    squared_by_tap: int

    @property
    def taps(self) -> int:
        """How many inputs an output meets, rounded: padding leaves some with fewer."""
        return round(self.pairs / self.outputs)

    @property
    def shared_by_outputs(self) -> float:
        """Which share of its taps an output has in common with another, in the mean over pairs.

        Only there what their inputs have in common meets the same weight: all taps, but for padding and for transposed
        convolutions with a stride.
        """
        others = self.outputs - 1
        return (self.squared_by_tap - self.pairs) / (others * self.pairs) if others else 1.0

    @property
    def shared_by_inputs(self) -> float:
        """Which share of its taps an input has in common with another, in the mean over pairs."""
        return self.reversed.shared_by_outputs

    @property
    def reversed(self) -> "Meetings":
        """The same with inputs and outputs exchanged, as in a transposed convolution."""
        return Meetings(
            self.outputs,
            self.inputs,
            self.pairs,
            self.squared_by_input,
            self.squared_by_output,
            self.squared_by_tap,
        )


@dataclass(frozen=True, slots=True)
class Window:
    """A window that slides along each axis.

    Args:
        kernel: Taps along each axis.
        stride: Steps between outputs.
        padding: Zeros put before and after.
        dilation: Steps between taps.
    """

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]

    def outputs(self, sizes: Sequence[int]) -> tuple[int, ...]:
        """Return how many outputs there are along each axis.

        Raises:
            DomainError: If the window does not fit.

        >>> Window((3, 3), (2, 2), (1, 1), (1, 1)).outputs((32, 7))
        (16, 4)
        """
        return tuple(
            1 + (size + 2 * padding - self._reach(axis, size, padding)) // self.stride[axis]
            for axis, (size, padding) in enumerate(zip(sizes, self.padding, strict=True))
        )

    def meetings(self, sizes: Sequence[int]) -> Meetings:
        """Count who meets whom.

        Raises:
            DomainError: If the window does not fit.

        >>> Window((3,), (1,), (1,), (1,)).meetings((5,))  # 2 + 3 + 3 + 3 + 2 taps inside
        Meetings(inputs=5, outputs=5, pairs=13, squared_by_output=35, squared_by_input=35, squared_by_tap=57)
        """
        outputs = self.outputs(sizes)
        pairs = by_output = by_input = by_tap = 1
        for axis, (size, number) in enumerate(zip(sizes, outputs, strict=True)):
            met = [
                (output, place, tap)
                for output in range(number)
                for tap, place in enumerate(self._places(axis, output))
                if 0 <= place < size
            ]
            pairs *= len(met)
            by_output, by_input, by_tap = (
                total * sum(count**2 for count in Counter(entry[which] for entry in met).values())
                for which, total in enumerate((by_output, by_input, by_tap))
            )
        return Meetings(math.prod(sizes), math.prod(outputs), pairs, by_output, by_input, by_tap)

    def _places(self, axis: int, output: int) -> Iterator[int]:
        start = output * self.stride[axis] - self.padding[axis]
        return (start + self.dilation[axis] * tap for tap in range(self.kernel[axis]))

    def _reach(self, axis: int, size: int, padding: int) -> int:
        reach = self.dilation[axis] * (self.kernel[axis] - 1) + 1
        if reach > size + 2 * padding:
            beside = f" and {padding} of padding on both sides" if padding else ""
            raise DomainError(
                f"a kernel that reaches over {reach} is larger than its input of {size} positions{beside}"
            )
        return reach
