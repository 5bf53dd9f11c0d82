"""Which axis of a tensor counts samples, which units, and which positions."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn

_CHANNELS_FIRST = (nn.Conv1d, nn.BatchNorm1d, nn.InstanceNorm1d, nn.GroupNorm, nn.MaxPool1d, nn.AvgPool1d)
_FEATURES_LAST = (nn.Linear, nn.LayerNorm, nn.RMSNorm, nn.Embedding)


@dataclass(frozen=True, slots=True)
class Layout:
    """How the samples of a batch lie in a tensor.

    Args:
        axis: The axis that grows with the batch.
        fold: How many entries of that axis belong to one sample; they follow each other.
        units: The axis that counts units, after the samples have moved to the front.
    """

    axis: int
    fold: int
    units: int

    def rows(self, tensor: torch.Tensor) -> torch.Tensor:
        """Return a view (a copy, if need be) of shape (samples, ...)."""
        tensor = tensor.detach()
        if self.axis:
            tensor = tensor.movedim(self.axis, 0)
        return tensor.reshape(-1, self.fold, *tensor.shape[1:]) if self.fold > 1 else tensor

    def arranged(self, tensor: torch.Tensor) -> torch.Tensor:
        """Return the tensor in the shape (samples, units, positions)."""
        rows = self.rows(tensor)
        return arranged(rows, self.units)

    @staticmethod
    def between(
        smaller: Sequence[int], larger: Sequence[int], samples: tuple[int, int], module: nn.Module | None = None
    ) -> "Layout | None":
        """Compare the shapes that a tensor has for two sizes of the batch; None if it does not say where samples are.

        Args:
            smaller: Its shape for the smaller batch.
            larger: The same for the larger one.
            samples: The two sizes.
            module: What made the tensor.

        >>> Layout.between((7, 2, 16), (7, 3, 16), (2, 3))
        Layout(axis=1, fold=1, units=2)
        >>> Layout.between((10, 16), (15, 16), (2, 3))
        Layout(axis=0, fold=5, units=2)
        """
        if len(smaller) != len(larger):
            return None
        if samples[0] == samples[1]:  # the model takes no other size: the first axis of that size is a good guess
            grown = [axis for axis, size in enumerate(larger) if size == samples[0]][:1]
        else:
            grown = [axis for axis, (a, b) in enumerate(zip(smaller, larger, strict=True)) if a != b]
        if len(grown) != 1:
            return None
        axis = grown[0]
        fold, rest = divmod(smaller[axis], samples[0])
        if rest or larger[axis] != fold * samples[1]:
            return None
        return Layout(axis, fold, units_axis(len(smaller), module) + (fold > 1))


def units_axis(ndim: int, module: nn.Module | None) -> int:
    """Return the axis of units: channels come first in images, features come last in sequences."""
    if isinstance(module, _FEATURES_LAST) or (ndim == 3 and not isinstance(module, _CHANNELS_FIRST)):
        return max(ndim - 1, 0)
    return min(1, ndim - 1)


def arranged(rows: torch.Tensor, units: int | None = None) -> torch.Tensor:
    """Return rows of samples, shape (samples, ...), as (samples, units, positions)."""
    if rows.ndim < 3:
        return rows.reshape(len(rows), -1, 1)
    return rows.movedim(units_axis(rows.ndim, None) if units is None else units, 1).flatten(2)
