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
    """

    inputs: int
    outputs: int
    pairs: int
    squared_by_output: int
    squared_by_input: int

    @property
    def reversed(self) -> "Meetings":
        """The same with inputs and outputs exchanged, as in a transposed convolution."""
        return Meetings(self.outputs, self.inputs, self.pairs, self.squared_by_input, self.squared_by_output)


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
        Meetings(inputs=5, outputs=5, pairs=13, squared_by_output=35, squared_by_input=35)
        """
        outputs = self.outputs(sizes)
        pairs = by_output = by_input = 1
        for axis, (size, number) in enumerate(zip(sizes, outputs, strict=True)):
            inside = [[x for x in self._places(axis, output) if 0 <= x < size] for output in range(number)]
            pairs *= sum(map(len, inside))
            by_output *= sum(len(places) ** 2 for places in inside)
            by_input *= sum(count**2 for count in Counter(x for places in inside for x in places).values())
        return Meetings(math.prod(sizes), math.prod(outputs), pairs, by_output, by_input)

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
