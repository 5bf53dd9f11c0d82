"""How many terms a layer sums: forwards for each output, backwards for each input, position by position.

A weight layer with independent zero-mean weights of variance v multiplies the second moment by v times the number of
terms in the sum of an output; on the way back by v times the number of terms in the gradient of an input. Stride,
padding and dilation make these numbers depend on the position; along several axes they multiply.
"""

import math
from dataclasses import dataclass
from functools import cached_property, reduce

import numpy as np

from propstats.errors import DomainError
from propstats.theory.geometry import Axis, Counts

#: Products of two of them, and of a kernel's taps, are whole numbers of 64 bits.
_MAX_COUNT = 10**9


@dataclass(frozen=True)
class Connections:
    """Which inputs a layer of weights connects with which outputs: fully connected, or a convolution.

    Args:
        channels_in: Input channels (units, if there are no axes).
        channels_out: Output channels (units).
        groups: Groups of channels that do not see each other.
        axes: The spatial axes; none for a fully connected layer.

    Raises:
        DomainError: If a number is out of range, or the groups do not divide the channels.

    >>> layer = Connections(64, 128, axes=(Axis(32, 3, 2, (1, 1)),) * 2)
    >>> layer.fan_in, layer.fan_out  # what initialisers count
    (576, 1152)
    >>> layer.terms_in, layer.terms_out  # what there is, in the mean over positions
    (552.25, 276.125)
    """

    channels_in: int
    channels_out: int
    groups: int = 1
    axes: tuple[Axis, ...] = ()

    def __post_init__(self) -> None:
        for name in ("channels_in", "channels_out", "groups"):
            _check_count(name, getattr(self, name))
        if self.channels_in % self.groups or self.channels_out % self.groups:
            raise DomainError(
                f"{self.groups} groups do not divide {self.channels_in} input and {self.channels_out} output channels"
            )
        if len({axis.transposed for axis in self.axes}) > 1:
            raise DomainError("a convolution is transposed along all axes or along none")

    @property
    def transposed(self) -> bool:
        """Whether it is a transposed convolution."""
        return any(axis.transposed for axis in self.axes)

    @property
    def taps(self) -> int:
        """Taps of the kernel, over all axes."""
        return math.prod(axis.kernel for axis in self.axes)

    @property
    def weight_shape(self) -> tuple[int, ...]:
        """Shape of the weight as torch stores it: the first axis is the outputs', or the inputs' if transposed."""
        kernel = tuple(axis.kernel for axis in self.axes)
        if self.transposed:
            return (self.channels_in, self.channels_out // self.groups, *kernel)
        return (self.channels_out, self.channels_in // self.groups, *kernel)

    @property
    def fan_in(self) -> int:
        """What torch and Keras call fan_in: `shape[1] taps` of torch's weight.

        For a transposed convolution that is the gradient's number of terms, not the signal's.
        """
        return self.weight_shape[1] * self.taps

    @property
    def fan_out(self) -> int:
        """What torch and Keras call fan_out: `shape[0] taps` of torch's weight, which does not know of groups."""
        return self.weight_shape[0] * self.taps

    @property
    def row_length(self) -> int:
        """Weights of one unit: the terms of an output that sees the whole kernel."""
        return self.channels_in // self.groups * self.taps

    @cached_property
    def forward(self) -> Counts:
        """Terms in the sum of an output, by output position; shape () for a fully connected layer."""
        return _outer([axis.forward for axis in self.axes]) * (self.channels_in // self.groups)

    @cached_property
    def backward(self) -> Counts:
        """Terms in the gradient of an input, by input position; shape () for a fully connected layer."""
        return _outer([axis.backward for axis in self.axes]) * (self.channels_out // self.groups)

    @property
    def terms_in(self) -> float:
        """Terms in the sum of an output, in the mean over positions."""
        return self.channels_in // self.groups * math.prod(_mean(axis.forward) for axis in self.axes)

    @property
    def terms_out(self) -> float:
        """Terms in the gradient of an input, in the mean over positions."""
        return self.channels_out // self.groups * math.prod(_mean(axis.backward) for axis in self.axes)


def dense(fan_in: int, fan_out: int) -> Connections:
    """Return the connections of a fully connected layer.

    Raises:
        DomainError: If there are no inputs or no outputs, or more than a billion.
    """
    for name, value in (("fan_in", fan_in), ("fan_out", fan_out)):
        _check_count(name, value)
    return Connections(fan_in, fan_out)


def _check_count(name: str, value: int) -> None:
    if value < 1:
        raise DomainError(f"{name} must be at least 1, got {value}")
    if value > _MAX_COUNT:
        raise DomainError(f"{name} must be at most {_MAX_COUNT:,}, got {value}")


def _mean(counts: Counts) -> float:
    return int(counts.sum()) / counts.size


def _outer(counts: list[Counts]) -> Counts:
    one = np.ones((), dtype=np.int64)
    return reduce(np.multiply.outer, counts, one)
