"""Layers that keep gradients normalised instead of signals: a gradient N(0, 1) at the output is one at the input.

The scheme of the notes on normalising all layers in back-propagation: weights with columns of length one, and after an
activation, pooling or dropout a division by the standard deviation of its gradient, not of its signal. Means are taken
off as well; they cost gradients nothing.
"""

import copy
import math
from typing import Any

import torch
from torch import nn
from torch.nn.utils import parametrize

from propstats.activations.conversion.torch_modules import of_module
from propstats.errors import DomainError, ModelError
from propstats.expectation import quadrature
from propstats.nn.plain import along
from propstats.theory.pooling.pool import pool

_POOLS = {
    nn.MaxPool1d: "max", nn.MaxPool2d: "max", nn.MaxPool3d: "max",
    nn.AvgPool1d: "average", nn.AvgPool2d: "average", nn.AvgPool3d: "average",
}  # fmt: skip
_WEIGHTS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)
_RESHAPES = (nn.Identity, nn.Flatten, nn.Unflatten)


class UnitColumns(nn.Module):
    """Scales weights so that the gradient of each input has the variance that those of the outputs have.

    A column is all that an input feature is multiplied by; with a stride, an input meets one in so many of its taps,
    and its columns have the length that makes the variance 1 in the mean over positions. Padding takes some more away
    at borders. A column of zeros stays.

    `torch.nn.utils.parametrize.register_parametrization(layer, "weight", UnitColumns(layer))`

    Args:
        layer: The layer whose weight it is.

    >>> layer = nn.Linear(3, 2)
    >>> _ = parametrize.register_parametrization(layer, "weight", UnitColumns(layer))
    >>> layer.weight.norm(dim=0).round(decimals=5).tolist()
    [1.0, 1.0, 1.0]
    """

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        own: Any = layer
        self.groups = int(getattr(own, "groups", 1))
        self.length = math.sqrt(math.prod(getattr(own, "stride", ())))

    def forward(self, weight: torch.Tensor) -> torch.Tensor:
        """Return the scaled weights, of the same shape."""
        by_group = weight.reshape(self.groups, -1, *weight.shape[1:])  # (groups, out/groups, in/groups, taps)
        over = [1, *range(3, by_group.dim())]
        lengths = torch.linalg.vector_norm(by_group, dim=over, keepdim=True)
        return (by_group * self.length / torch.where(lengths > 0, lengths, self.length)).reshape(weight.shape)

    def right_inverse(self, weight: torch.Tensor) -> torch.Tensor:
        """Return what to store for weights to begin with: themselves."""
        return weight


class BackwardNorm(nn.Module):
    """`(f(x) - shift)/scale` of an activation, pooling or dropout: a gradient N(0, 1) stays of variance 1.

    The scale is the standard deviation of the gradient that the layer hands on, for inputs N(0, 1); the shift is the
    mean of its output.

    Args:
        layer: The layer.
        shift: What is taken off.
        scale: What is divided by.
    """

    def __init__(self, layer: nn.Module, shift: float, scale: float) -> None:
        super().__init__()
        self.layer, self.shift, self.scale = layer, shift, scale

    @classmethod
    def of(cls, layer: nn.Module) -> "BackwardNorm":
        """Return a layer with the constants that belong to it.

        Raises:
            DomainError: If the layer is none of these, or its gradient has no standard deviation.

        >>> round(BackwardNorm.of(nn.ReLU()).scale, 6)  # sqrt(1/2)
        0.707107
        >>> round(BackwardNorm.of(nn.Sigmoid()).scale, 4)  # the notes simulated 0.2123
        0.2117
        >>> BackwardNorm.of(nn.MaxPool2d(2)).scale, BackwardNorm.of(nn.AvgPool2d(2)).scale
        (0.5, 0.25)
        """
        if type(layer) in _POOLS:
            return cls(layer, *_pooled(layer))
        if isinstance(layer, nn.Dropout | nn.Dropout1d | nn.Dropout2d | nn.Dropout3d):
            # Its gradient is 1/q with probability q: of second moment 1/q.
            return cls(layer, 0.0, 1.0 / math.sqrt(1.0 - layer.p) if layer.p < 1.0 else 1.0)
        act = of_module(layer)
        if act is None:
            raise DomainError(f"no backward normalisation for {type(layer).__name__}")
        found = quadrature.moments(act)
        square = found["slope_second_moment"].value
        if not (0.0 < square < math.inf):
            raise DomainError(f"the gradient of {act} has no standard deviation to divide by")
        return cls(layer, found["mean"].value, math.sqrt(square))

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """Apply it."""
        output: torch.Tensor = self.layer(input)
        return (output - self.shift) / self.scale

    def extra_repr(self) -> str:
        """Return its constants."""
        return f"shift={self.shift:.6g}, scale={self.scale:.6g}"


def backward_normalized(model: nn.Sequential) -> nn.Sequential:
    """Return a copy of a chain of layers that normalises gradients; its weights are those of the model, rescaled.

    Args:
        model: Linear layers, convolutions, activations, max and average pooling, dropout and reshapes, in a chain; it
            stays as it is. The last layer of weights is rescaled as all others.

    Raises:
        ModelError: If the model holds something else; the message names it.

    >>> network = backward_normalized(nn.Sequential(nn.Linear(8, 4), nn.ReLU(), nn.Linear(4, 2)))
    >>> round(network[2].weight.square().sum(dim=0).mean().item(), 5)
    1.0
    """
    parts = list(along(copy.deepcopy(model)))
    for layer in {part for _, part in parts if isinstance(part, _WEIGHTS)}:  # one may be applied twice
        parametrize.register_parametrization(layer, "weight", UnitColumns(layer))
    return nn.Sequential(*[_normalized(name, layer) for name, layer in parts])


def _normalized(name: str, layer: nn.Module) -> nn.Module:
    if isinstance(layer, _WEIGHTS):
        return layer
    if isinstance(layer, _RESHAPES):
        return layer
    try:
        return BackwardNorm.of(layer)
    except DomainError as error:
        hint = "there is one for weights, activations, max and average pooling, and dropout"
        raise ModelError(f"layer {name}: {error.message}", hint) from None


def _pooled(layer: nn.Module) -> tuple[float, float]:
    """Return the mean of what is pooled, and the root mean square over positions of its gradient."""
    own: Any = layer
    found = pool(
        _POOLS[type(layer)], own.kernel_size, stride=own.stride, dilation=getattr(own, "dilation", 1),
        dims=int(type(layer).__name__[-2]), digits=None, samples=0,
    )  # fmt: skip
    return found.forward.mean.value, found.backward.std.value
