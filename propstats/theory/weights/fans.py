"""How many terms a layer sums: forwards for each output, backwards for each input, position by position.

A weight layer with independent zero-mean weights of variance v multiplies the second moment by v times the number of
terms in the sum of an output; on the way back by v times the number of terms in the gradient of an input. Stride,
padding and dilation make these numbers depend on the position; along several axes they multiply.
"""

import math
from dataclasses import dataclass
from functools import cached_property, reduce
from typing import Final

import numpy as np
from numpy.typing import NDArray

from propstats.errors import DomainError

Counts = NDArray[np.int64]

PADDING_MODES: Final = ("zeros", "reflect", "replicate", "circular")


@dataclass(frozen=True)
class Axis:
    """One spatial axis of a convolution.

    Args:
        size: Input positions.
        kernel: Taps of the kernel.
        stride: Steps between neighbouring outputs (between inputs, if transposed).
        padding: Positions added in front and behind (taken off the output, if transposed).
        dilation: Steps between neighbouring taps.
        mode: What the padding holds, as torch names it; only zeros add no terms.
        transposed: Whether the axis runs backwards: input i reaches the outputs `i stride - padding + t dilation`.
        output_padding: Positions added behind the output of a transposed axis.

    Raises:
        DomainError: If a number is out of range, or the kernel reaches beyond the padded input.

    >>> Axis(7, kernel=3, stride=2, padding=(1, 1)).forward.tolist()
    [2, 3, 3, 2]
    >>> Axis(7, kernel=3, stride=2, padding=(1, 1)).backward.tolist()
    [1, 2, 1, 2, 1, 2, 1]
    """

    size: int
    kernel: int = 1
    stride: int = 1
    padding: tuple[int, int] = (0, 0)
    dilation: int = 1
    mode: str = "zeros"
    transposed: bool = False
    output_padding: int = 0

    def __post_init__(self) -> None:
        for name in ("size", "kernel", "stride", "dilation"):
            if getattr(self, name) < 1:
                raise DomainError(f"{name} must be at least 1, got {getattr(self, name)}")
        for name, values in (("padding", self.padding), ("output_padding", (self.output_padding,))):
            if min(values) < 0:
                raise DomainError(f"{name} must be at least 0, got {min(values)}")
        self._check_mode()
        if self.output_padding and not (self.transposed and self.output_padding < max(self.stride, self.dilation)):
            what = "belongs to transposed convolutions, below stride or dilation"
            raise DomainError(f"output_padding {what}, got {self.output_padding}")
        if self.outputs < 1:
            padded = f"{self.size} positions" + (f" padded to {self.size + sum(self.padding)}" * any(self.padding))
            what = f"leaves no output of {padded}" if self.transposed else f"does not fit into {padded}"
            dilated = f" dilated by {self.dilation}" if self.dilation > 1 else ""
            raise DomainError(f"a kernel of {self.kernel}{dilated} {what}", "use a smaller kernel or a larger size")

    def _check_mode(self) -> None:
        if self.mode not in PADDING_MODES:
            raise DomainError(f"unknown padding mode {self.mode!r}", f"known: {', '.join(PADDING_MODES)}")
        if self.transposed and self.mode != "zeros":
            raise DomainError("a transposed convolution pads with zeros only")
        most = {"reflect": self.size - 1, "circular": self.size}.get(self.mode, math.inf)
        if max(self.padding) > most:
            raise DomainError(f"{self.mode} padding reaches at most {most:g} positions here, got {max(self.padding)}")

    @property
    def reach(self) -> int:
        """Positions from the kernel's first tap to its last, both included."""
        return self.dilation * (self.kernel - 1) + 1

    @property
    def outputs(self) -> int:
        """Output positions; at most 0 if there are none."""
        if self.transposed:
            return (self.size - 1) * self.stride - sum(self.padding) + self.reach + self.output_padding
        return (self.size + sum(self.padding) - self.reach) // self.stride + 1

    @property
    def forward(self) -> Counts:
        """Terms in the sum of each output, shape (outputs,)."""
        return self._counts[0]

    @property
    def backward(self) -> Counts:
        """Terms in the gradient of each input, shape (size,)."""
        return self._counts[1]

    @cached_property
    def _counts(self) -> tuple[Counts, Counts]:
        # Where the taps of each step land, in positions of the longer side; a transposed axis swaps the two sides.
        steps, length = (self.size, self.outputs) if self.transposed else (self.outputs, self.size)
        landed = np.arange(steps)[:, None] * self.stride - self.padding[0] + np.arange(self.kernel) * self.dilation
        inside = np.ones(landed.shape, dtype=bool)
        if self.mode == "zeros":
            inside = (landed >= 0) & (landed < length)
        elif self.mode == "circular":
            landed %= length
        elif self.mode == "replicate":
            landed = landed.clip(0, length - 1)
        else:
            landed = (length - 1) - np.abs((length - 1) - np.abs(landed))
        by_step = inside.sum(axis=1)
        by_position = np.bincount(landed[inside], minlength=length)
        return (by_position, by_step) if self.transposed else (by_step, by_position)


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
            if getattr(self, name) < 1:
                raise DomainError(f"{name} must be at least 1, got {getattr(self, name)}")
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
        DomainError: If there are no inputs or no outputs.
    """
    for name, value in (("fan_in", fan_in), ("fan_out", fan_out)):
        if value < 1:
            raise DomainError(f"{name} must be at least 1, got {value}")
    return Connections(fan_in, fan_out)


def same_padding(kernel: int, dilation: int) -> tuple[int, int]:
    """Return the padding that keeps the size, as torch's `padding="same"` splits it.

    >>> same_padding(4, 1)
    (1, 2)
    """
    total = dilation * (kernel - 1)
    return total // 2, total - total // 2


def _mean(counts: Counts) -> float:
    return int(counts.sum()) / counts.size


def _outer(counts: list[Counts]) -> Counts:
    one = np.ones((), dtype=np.int64)
    return reduce(np.multiply.outer, counts, one)
