"""A scale and a shift for each unit, and where they may go: into the weights behind them."""

from typing import Any

import torch
from torch import nn
from torch.nn.modules.conv import _ConvNd

from propstats.nn.plain import geometry_of, with_weights

_MAXIMA = (nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d, nn.AdaptiveMaxPool1d, nn.AdaptiveMaxPool2d, nn.AdaptiveMaxPool3d)
_AVERAGES = (nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d)
_IN_FULL = (nn.Identity, nn.Flatten, nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveAvgPool3d)
_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
#: The layers of weights that can take up an affine part.
ABSORBING = (nn.Linear, *_CONVOLUTIONS)
_PADS = (nn.ConstantPad1d, nn.ConstantPad2d, nn.ConstantPad3d)


class Affine(nn.Module):
    """`scale x + shift`, by unit.

    Args:
        scale: Positive, shape (1,) or (units,).
        shift: Of the same shape.
        axes: How many axes follow that of the units.
    """

    scale: torch.Tensor
    shift: torch.Tensor

    def __init__(self, scale: torch.Tensor, shift: torch.Tensor, axes: int) -> None:
        super().__init__()
        self.axes = axes
        self.register_buffer("scale", scale.detach().clone())
        self.register_buffer("shift", shift.detach().clone())

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """Apply it."""
        by_unit = (-1, *(1,) * self.axes)
        return torch.addcmul(self.shift.view(by_unit), input, self.scale.view(by_unit))


def moved_behind(affine: Affine, layer: nn.Module) -> list[nn.Module] | None:
    """Return layers that do the same as `affine` and then `layer`, with the affine part behind or gone.

    None where that cannot be: a sum that counts padding as zeros knows the shift from it.
    """
    if isinstance(layer, _MAXIMA) and not getattr(layer, "return_indices", False):
        return [layer, affine]
    if isinstance(layer, _AVERAGES):
        counts_zeros = layer.count_include_pad and torch.tensor(layer.padding).any()
        as_it_is = not counts_zeros and getattr(layer, "divisor_override", None) is None
        return [layer, affine] if as_it_is else None
    if isinstance(layer, _IN_FULL):
        if isinstance(layer, nn.Flatten):
            return [layer, Affine(affine.scale, affine.shift, 0)] if _to_features(layer) else None
        return [layer, affine]
    if type(layer) is nn.Linear and affine.axes == 0:
        return [_absorbed(affine, layer)]
    if isinstance(layer, _ConvNd) and type(layer) in _CONVOLUTIONS:
        return _into_convolution(affine, layer)
    return None


def _to_features(layer: nn.Flatten) -> bool:
    return layer.start_dim == 1 and layer.end_dim == -1


def _into_convolution(affine: Affine, layer: _ConvNd) -> list[nn.Module] | None:
    around = layer._reversed_padding_repeated_twice
    if layer.padding_mode != "zeros" or not any(around):
        return [_absorbed(affine, layer)]
    if affine.scale.numel() > 1:
        return None
    # What is 0 behind the affine part is this in front of it.
    zero = float(-affine.shift / affine.scale)
    pad: Any = _PADS[layer.weight.dim() - 3]
    return [pad(tuple(around), zero), _absorbed(affine, layer, padding=0)]


def _absorbed(affine: Affine, layer: nn.Linear | _ConvNd, **other: Any) -> nn.Module:
    """Return a layer of weights that does what the affine part and it do, in the affine part's precision."""
    weight = layer.weight.to(affine.scale)
    groups = 1 if isinstance(layer, nn.Linear) else layer.groups
    inputs = weight.shape[1] * groups
    # Features that were flattened have their units in blocks.
    scale, shift = (v.repeat_interleave(inputs // v.numel()).to(weight) for v in (affine.scale, affine.shift))
    taps = (1,) * (weight.dim() - 2)
    rows = weight.shape[0] // groups
    by_row = [v.view(groups, -1).repeat_interleave(rows, dim=0).view(*weight.shape[:2], *taps) for v in (scale, shift)]
    added = (weight * by_row[1]).flatten(1).sum(dim=1)
    bias = added if layer.bias is None else layer.bias + added
    return with_weights(type(layer), {**geometry_of(layer), **other}, weight * by_row[0], bias)
