"""Which outputs of a sliding window meet which inputs, along one axis: the arithmetic of convolutions and pooling.

Torch's, with stride, padding (of any mode), dilation, `ceil_mode` and transposed axes. Weights count terms
(`propstats.theory.weights.fans`), pooling kinds of windows (`propstats.theory.pooling.geometry`), rules pairs
(`propstats.rules.meetings`); all of them ask here where a window lies.
"""

import math
from dataclasses import dataclass
from functools import cached_property
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
        ceil_mode: Whether a last window may run over the end, as of pooling; it begins inside the input or the padding
            in front of it.

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
    ceil_mode: bool = False

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
        spare = self.size + sum(self.padding) - self.reach
        if spare < 0:
            return 0
        outputs = (spare + (self.stride - 1 if self.ceil_mode else 0)) // self.stride + 1
        return outputs - (self.ceil_mode and (outputs - 1) * self.stride >= self.size + self.padding[0])

    @property
    def begins(self) -> Counts:
        """Where the window of each output begins (of each input, if transposed): padding lies below 0."""
        steps = self.size if self.transposed else self.outputs
        return np.arange(steps) * self.stride - self.padding[0]

    @property
    def forward(self) -> Counts:
        """Terms in the sum of each output, shape (outputs,)."""
        return np.bincount(self.pairs[0], minlength=self.outputs)

    @property
    def backward(self) -> Counts:
        """Terms in the gradient of each input, shape (size,)."""
        return np.bincount(self.pairs[1], minlength=self.size)

    @cached_property
    def pairs(self) -> Counts:
        """Outputs, inputs and the taps at which they meet, shape (3, pairs).

        >>> Axis(3, kernel=2).pairs.tolist()
        [[0, 0, 1, 1], [0, 1, 1, 2], [0, 1, 0, 1]]
        """
        # Where the taps of each step land, in positions of the longer side; a transposed axis swaps the two sides.
        length = self.outputs if self.transposed else self.size
        landed = self.begins[:, None] + np.arange(self.kernel) * self.dilation
        inside = np.ones(landed.shape, dtype=bool)
        if self.mode == "zeros":
            inside = (landed >= 0) & (landed < length)
        elif self.mode == "circular":
            landed %= length
        elif self.mode == "replicate":
            landed = landed.clip(0, length - 1)
        else:
            landed = (length - 1) - np.abs((length - 1) - np.abs(landed))
        step, tap = np.nonzero(inside)
        place = landed[inside]
        return np.stack((place, step, tap) if self.transposed else (step, place, tap))


def same_padding(kernel: int, dilation: int) -> tuple[int, int]:
    """Return the padding that keeps the size, as torch's `padding="same"` splits it.

    >>> same_padding(4, 1)
    (1, 2)
    """
    total = dilation * (kernel - 1)
    return total // 2, total - total // 2
