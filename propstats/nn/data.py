"""Normalise data before the first layer, value by value: over the whole set, or batch by batch."""

import math
from collections.abc import Sequence

import torch
from torch import nn

_EPS = 1e-5


class GlobalNormalization(nn.Module):
    """Subtract a mean and divide by a standard deviation, each value of a sample by its own.

    Values that are the same for all samples become 0.

    Args:
        mean: Shape of a sample.
        std: Shape of a sample.

    References:
        Arpit et al. 2016, arXiv:1603.01431, section 4.1, "Global Data Normalization".
    """

    mean: torch.Tensor
    scale: torch.Tensor

    def __init__(self, mean: torch.Tensor, std: torch.Tensor) -> None:
        super().__init__()
        self.register_buffer("mean", mean)
        self.register_buffer("scale", torch.where(std > 0, 1.0 / std, 0.0))

    @classmethod
    def of(cls, samples: torch.Tensor) -> "GlobalNormalization":
        """Return the normalisation of a data set, shape (N, ...).

        >>> layer = GlobalNormalization.of(torch.tensor([[1.0, 5.0], [3.0, 5.0]]))
        >>> layer(torch.tensor([[3.0, 5.0]])).tolist()
        [[1.0, 0.0]]
        """
        mean = samples.mean(dim=0, dtype=torch.float64)
        square = torch.zeros_like(mean)
        for part in samples.split(1024):
            square += (part.double() - mean).square().sum(dim=0)
        std = (square / len(samples)).sqrt()
        std[std < 1e-6 * mean.abs()] = 0.0  # a constant, but for rounding
        return cls(mean.to(samples.dtype), std.to(samples.dtype))

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """Normalise samples, shape (N, ...)."""
        return (input - self.mean) * self.scale


class BatchNormalization(nn.BatchNorm1d):
    """Normalise each value of a sample over the batch in training, by running averages in evaluation.

    Args:
        shape: Shape of a sample.

    References:
        Arpit et al. 2016, arXiv:1603.01431, section 4.1, "Batch Data Normalization".

    >>> BatchNormalization((1, 2, 2))(torch.randn(8, 1, 2, 2)).shape
    torch.Size([8, 1, 2, 2])
    """

    def __init__(self, shape: Sequence[int]) -> None:
        super().__init__(math.prod(shape), eps=_EPS, affine=False)

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """Normalise samples, shape (N, *shape)."""
        return super().forward(input.flatten(1)).view_as(input)
