"""What the units of a first layer see of a sample: all of it, or a patch at each position."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from propstats.auditing.matrices import Matrix
from propstats.errors import DataError, ModelError
from propstats.theory.geometry import same_padding

Array = NDArray[np.float64]

_CHUNK_NUMBERS = 1 << 22
_MAX_LENGTH = 8192  # a covariance of half a gigabyte
_PAD_MODES = {"zeros": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}


@dataclass(frozen=True)
class Patches:
    """The inputs of a layer's units, sample by sample.

    Args:
        inputs: The data, shape (N, channels, ...), or (N, features) for a fully connected layer.
        kernel: Taps along each axis; none for a fully connected layer.
        stride: Steps between patches.
        dilation: Steps between taps.
        padding: Positions added in front of and behind each axis.
        mode: What the padding holds, as torch names it.
    """

    inputs: NDArray[np.floating]
    kernel: tuple[int, ...] = ()
    stride: tuple[int, ...] = ()
    dilation: tuple[int, ...] = ()
    padding: tuple[tuple[int, int], ...] = ()
    mode: str = "zeros"

    @classmethod
    def of(cls, matrix: Matrix, inputs: torch.Tensor) -> "Patches":
        """Return what the units of a layer see.

        Args:
            matrix: The layer's weight; without its module, a filter is taken for one of stride 1 without padding.
            inputs: The data, shape (N, ...).

        Raises:
            DataError: If the data do not fit the layer, or its units have too many inputs for a covariance.
        """
        shape = "x".join(map(str, inputs.shape[1:]))
        if not inputs.is_floating_point():
            raise DataError(f"{matrix.name}: tokens are looked up, and have no covariance", "give data of real numbers")
        if not bool(inputs.isfinite().all()):
            raise DataError("the data hold values that are not finite", "they have no covariance")
        length = matrix.rows.shape[1]
        if length > _MAX_LENGTH:
            raise DataError(f"{matrix.name}: units with {length:,} inputs are too many for a covariance of the data")
        if isinstance(matrix.module, nn.ConvTranspose1d | nn.ConvTranspose2d | nn.ConvTranspose3d) or matrix.groups > 1:
            raise DataError(f"{matrix.name}: data are not sent through transposed or grouped convolutions yet")
        if len(matrix.shape) == 2:
            if math.prod(inputs.shape[1:]) != length:
                raise DataError(f"{matrix.name} takes {length:,} inputs, a sample is {shape}", "give data that fit")
            return cls(inputs.flatten(1).numpy())
        kernel = matrix.shape[2:]
        channels = matrix.shape[1]
        if inputs.ndim == len(matrix.shape) - 1 and channels == 1:
            inputs = inputs.unsqueeze(1)
        if inputs.ndim != len(matrix.shape) or inputs.shape[1] != channels:
            wanted = f"{channels} channels and {len(kernel)} axes"
            raise DataError(f"{matrix.name} takes samples of {wanted}, a sample is {shape}", "give data that fit")
        one, none = (1,) * len(kernel), ((0, 0),) * len(kernel)
        found = cls(inputs.numpy(), kernel, one, one, none)
        if isinstance(matrix.module, nn.Conv1d | nn.Conv2d | nn.Conv3d):
            found = replace(found, **_settings(matrix.module, len(kernel), matrix.name))
        if found.positions < 1:
            raise DataError(f"{matrix.name}: its kernel is larger than a sample of {shape}", "give larger samples")
        return found

    @property
    def length(self) -> int:
        """Inputs of a unit."""
        return int(self.inputs.shape[1]) * math.prod(self.kernel)

    @property
    def positions(self) -> int:
        """Patches in a sample."""
        reach = [d * (k - 1) + 1 for d, k in zip(self.dilation, self.kernel, strict=True)]
        sizes = [size + sum(pad) for size, pad in zip(self.inputs.shape[2:], self.padding, strict=True)]
        return math.prod(max(0, (size - r) // s + 1) for size, r, s in zip(sizes, reach, self.stride, strict=True))

    def chunks(self, part: slice) -> Iterator[Array]:
        """Yield the patches of some samples, shape (patches, length), some samples at a time."""
        samples = self.inputs[part]
        step = max(1, _CHUNK_NUMBERS // (self.length * self.positions))
        for start in range(0, len(samples), step):
            yield self._patches(samples[start : start + step].astype(np.float64))

    def _patches(self, samples: Array) -> Array:
        if not self.kernel:
            return samples
        mode = _PAD_MODES[self.mode]
        padded = np.pad(samples, ((0, 0), (0, 0), *self.padding), mode=mode)  # type: ignore[call-overload]
        axes = tuple(range(2, padded.ndim))
        reach = tuple(d * (k - 1) + 1 for d, k in zip(self.dilation, self.kernel, strict=True))
        seen = np.lib.stride_tricks.sliding_window_view(padded, reach, axis=axes)
        steps = (slice(None, None, s) for s in self.stride)
        taps = (slice(None, None, d) for d in self.dilation)
        seen = seen[(slice(None), slice(None), *steps, *taps)]
        # (samples, channels, *positions, *taps) to (samples, *positions, channels, *taps)
        seen = np.moveaxis(seen, 1, 1 + len(self.kernel))
        return np.ascontiguousarray(seen).reshape(-1, self.length)


def _settings(module: nn.Conv1d | nn.Conv2d | nn.Conv3d, axes: int, name: str) -> dict[str, Any]:
    """Return how a convolution places its patches; a file may hold any settings."""
    padding: Any = module.padding
    if padding == "same":
        padding = [same_padding(k, d) for k, d in zip(module.weight.shape[2:], module.dilation, strict=False)]
    elif padding == "valid":
        padding = [(0, 0)] * axes
    else:
        padding = [(ends, ends) for ends in padding]
    settings = {"stride": tuple(module.stride), "dilation": tuple(module.dilation), "padding": tuple(padding)}
    sound = all(len(values) == axes for values in settings.values()) and module.padding_mode in _PAD_MODES
    steps = [*settings["stride"], *settings["dilation"]]
    if not (sound and all(isinstance(s, int) and s > 0 for s in steps) and min(map(min, padding)) >= 0):
        raise ModelError(f"{name}: the settings of its convolution make no sense", "save the network again")
    return {**settings, "mode": module.padding_mode}
