"""Normalisation of data, feature by feature: what NormProp propagates from there."""

from collections.abc import Iterable

import torch
from torch import nn
from torch.nn import functional

from propstats.errors import DataError


class GlobalNormalization(nn.Module):
    """`(x - mean)/std` for each feature element, of the whole data set.

    A feature that never changes becomes 0.

    Args:
        mean: Mean of each feature element, of the shape of one example.
        std: Standard deviation of each, of the same shape.

    Raises:
        DataError: If their shapes differ, numbers are not finite, or a standard deviation is below 0.

    References:
        Arpit et al. 2016, arXiv:1603.01431, section 4.1, first strategy.

    >>> layer = GlobalNormalization.of(torch.tensor([[1.0, 5.0], [3.0, 5.0]]))
    >>> layer(torch.tensor([[1.0, 5.0]])).tolist()
    [[-1.0, 0.0]]
    """

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, mean: torch.Tensor, std: torch.Tensor) -> None:
        super().__init__()
        if mean.shape != std.shape or not (mean.isfinite().all() and std.isfinite().all() and (std >= 0).all()):
            raise DataError("mean and std must have one shape and finite numbers, and std none below 0")
        self.register_buffer("mean", mean.detach().clone())
        self.register_buffer("std", torch.where(std > 0, std, 1.0).detach())

    @classmethod
    def of(cls, data: torch.Tensor | Iterable[torch.Tensor]) -> "GlobalNormalization":
        """Return the normalisation of data, measured in one pass in double precision.

        Args:
            data: All examples, shape (examples, ...), or batches of them.

        Raises:
            DataError: If there are none, they differ in shape, or hold NaN or infinity.
        """
        count, mean, squares = 0, torch.zeros(()), torch.zeros(())
        dtype = torch.get_default_dtype()
        for batch in (data,) if isinstance(data, torch.Tensor) else data:
            if batch.is_floating_point():
                dtype = batch.dtype
            wide = batch.detach().double()
            n, own = len(wide), wide.mean(dim=0)
            if n == 0:
                continue
            if count and own.shape != mean.shape:
                raise DataError(f"examples have the shapes {tuple(mean.shape)} and {tuple(own.shape)}")
            # Chan, Golub & LeVeque 1983: merge two sets' means and sums of squares.
            gap = own - mean
            squares = squares + ((wide - own) ** 2).sum(dim=0) + gap**2 * (count * n / (count + n))
            mean = mean + gap * (n / (count + n))
            count += n
        if count == 0:
            raise DataError("there are no data to normalise by")
        return cls(mean.to(dtype), (squares / count).sqrt().to(dtype))

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """Return the examples normalised.

        Args:
            input: Examples, shape (examples, ...).
        """
        return (input - self.mean) / self.std

    def extra_repr(self) -> str:
        """Return the shape of an example."""
        return f"shape={tuple(self.mean.shape)}"


class BatchNormalization(nn.Module):
    """`(x - mean)/std` for each feature element, of the batch in training, of running averages in evaluation.

    Args:
        *shape: Shape of one example.
        momentum: Share of the last batch in the running averages.
        eps: Added to variances.

    References:
        Arpit et al. 2016, arXiv:1603.01431, section 4.1, second strategy, and section 4.5.

    >>> layer = BatchNormalization(2)
    >>> layer(torch.tensor([[1.0, 5.0], [3.0, 7.0]])).round(decimals=3).tolist()
    [[-1.0, -1.0], [1.0, 1.0]]
    """

    running_mean: torch.Tensor
    running_var: torch.Tensor

    def __init__(self, *shape: int, momentum: float = 0.1, eps: float = 1e-5) -> None:
        super().__init__()
        self.momentum, self.eps = momentum, eps
        self.register_buffer("running_mean", torch.zeros(shape))
        self.register_buffer("running_var", torch.ones(shape))

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """Return the examples normalised.

        Args:
            input: Examples, shape (examples, ...).

        Raises:
            DataError: If a batch to train on has one example or none, which says nothing of a variance.
        """
        if self.training and len(input) < 2:
            what = "one example has" if len(input) else "no examples has"
            raise DataError(f"a batch of {what} no variance", "normalise by the whole data set instead")
        # The averages are views, so that what changes in them stays.
        mean, var = self.running_mean.view(-1), self.running_var.view(-1)
        by_element = functional.batch_norm(
            input.flatten(1), mean, var, training=self.training, momentum=self.momentum, eps=self.eps
        )
        return by_element.view_as(input)

    def extra_repr(self) -> str:
        """Return the shape of an example, and how fast the averages run."""
        return f"shape={tuple(self.running_mean.shape)}, momentum={self.momentum}"
