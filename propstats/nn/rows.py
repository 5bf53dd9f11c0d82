"""The rows of weights: what one unit sums, and its length."""

from typing import Protocol

import torch
from torch import nn

#: Layers whose weights have the inputs first.
TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)


class Weighted(Protocol):
    """A layer of weights: `nn.Linear`, a convolution, a transposed one."""

    weight: torch.Tensor


def rows_first(layer: Weighted, weight: torch.Tensor) -> torch.Tensor:
    """Return weights with the weights of one unit in one row, shape (units, weights of one unit).

    >>> layer = nn.ConvTranspose1d(4, 6, 5, groups=2)
    >>> rows_first(layer, layer.weight).shape
    torch.Size([6, 10])
    """
    if isinstance(layer, TRANSPOSED):  # (in, out/groups, ...), the inputs of a group one after the other
        by_group = weight.reshape(layer.groups, -1, *weight.shape[1:])
        return by_group.transpose(1, 2).flatten(0, 1).flatten(1)
    return weight.flatten(1)


def scale_rows(layer: Weighted, weight: torch.Tensor, factor: torch.Tensor) -> torch.Tensor:
    """Return weights with the row of each unit multiplied by a factor, shape (units,)."""
    taps = (1,) * (weight.dim() - 2)
    if isinstance(layer, TRANSPOSED):
        by_group = weight.reshape(layer.groups, -1, *weight.shape[1:])
        return (by_group * factor.view(layer.groups, 1, -1, *taps)).reshape(weight.shape)
    return weight * factor.view(-1, 1, *taps)


def row_lengths(layer: Weighted) -> torch.Tensor:
    """Return the length of each unit's row of weights, 1 for a row of zeros: it has no direction, and stays as it is.

    >>> layer = nn.Linear(2, 2, bias=False)
    >>> _ = layer.weight.data.copy_(torch.tensor([[3.0, 4.0], [0.0, 0.0]]))
    >>> row_lengths(layer).tolist()
    [5.0, 1.0]
    """
    lengths = torch.linalg.vector_norm(rows_first(layer, layer.weight), dim=1)
    return torch.where(lengths > 0, lengths, 1.0)


class UnitRows(nn.Module):
    """The constraint as a parametrisation, for plain layers of torch: what is stored is scaled to rows of length one.

    `torch.nn.utils.parametrize.register_parametrization(layer, "weight", UnitRows(layer))`

    Args:
        layer: The layer whose weight it is, for the order of its axes.

    >>> from torch.nn.utils import parametrize
    >>> layer = parametrize.register_parametrization(linear := nn.Linear(3, 2), "weight", UnitRows(linear))
    >>> [round(length, 5) for length in row_lengths(linear).tolist()]
    [1.0, 1.0]
    """

    def __init__(self, layer: Weighted) -> None:
        super().__init__()
        self._layer = (layer,)  # in a tuple, or it would be a part of its own part

    def forward(self, weight: torch.Tensor) -> torch.Tensor:
        """Return the weights with rows of length one.

        Args:
            weight: Of the shape of the layer's weight, as is what comes back.
        """
        (layer,) = self._layer
        lengths = torch.linalg.vector_norm(rows_first(layer, weight), dim=1)
        return scale_rows(layer, weight, 1.0 / torch.where(lengths > 0, lengths, 1.0))

    def right_inverse(self, weight: torch.Tensor) -> torch.Tensor:
        """Return what to store for weights to begin with: themselves.

        Args:
            weight: Of the shape of the layer's weight.
        """
        return weight
