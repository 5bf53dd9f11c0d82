"""Pooling that keeps the signal canonical."""

from typing import Any

import torch
from torch import nn

from propstats.activations import activation
from propstats.errors import DomainError
from propstats.nn.constants import unit_constants
from propstats.theory.pooling.pool import pool

#: What the engine calls them, and over how many axes they go.
_KINDS = {
    nn.MaxPool1d: ("max", 1),
    nn.MaxPool2d: ("max", 2),
    nn.MaxPool3d: ("max", 3),
    nn.AvgPool1d: ("average", 1),
    nn.AvgPool2d: ("average", 2),
    nn.AvgPool3d: ("average", 3),
}


class NormPropPool(nn.Module):
    """`(pool(x) - m)/s`, with the exact mean and standard deviation of what is pooled.

    The paper pools and leaves it at that, because units of a window are correlated; that is `pooling` by itself. Here
    the units of a window are those of a NormProp layer with the paper's constants, which sees Gaussians that are
    correlated in pairs: with correlation 1, this is the paper's way again.

    Args:
        pooling: Max or average pooling of torch.
        act: The activation of the layer before: the ReLU or the identity.
        gamma: Its gamma.
        beta: Its beta.
        correlation: Correlation of the pre-activations in a window.

    Raises:
        DomainError: If the pooling or the activation is another one, or a number is out of range.

    References:
        Arpit et al. 2016, arXiv:1603.01431, section 3.2, on what it leaves out.

    >>> NormPropPool(nn.MaxPool2d(2), "identity")
    NormPropPool(
      mean=1.02938, std=0.701224
      (pooling): MaxPool2d(kernel_size=2, stride=2, padding=0, dilation=1, ceil_mode=False)
    )
    """

    def __init__(
        self,
        pooling: nn.Module,
        act: str = "relu",
        *,
        gamma: float = 1.0,
        beta: float = 0.0,
        correlation: float = 0.0,
    ) -> None:
        super().__init__()
        unit = activation(act)
        if type(pooling) not in _KINDS or unit.name not in ("relu", "identity"):
            what = f"no exact constants for {type(pooling).__name__} after {unit}"
            raise DomainError(what, "there are for max and average pooling after relu or identity")
        self.pooling = pooling
        c1, c2, _ = unit_constants(unit)
        own: Any = pooling
        kind, dims = _KINDS[type(pooling)]
        kernel = (own.kernel_size,) * dims if isinstance(own.kernel_size, int) else tuple(own.kernel_size)
        found = pool(
            kind, kernel, dims=dims, mean=beta, std=gamma, correlation=correlation,
            rectified=unit.name == "relu", digits=None, samples=0,
        )  # fmt: skip
        self.mean = (found.forward.mean.value - c2) / c1
        self.std = found.forward.std.value / c1

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """Return the pooled and normalised input.

        Args:
            input: Images, as for the pooling of torch: shape (examples, channels, ...).
        """
        pooled: torch.Tensor = self.pooling(input)
        return (pooled - self.mean) / self.std

    def extra_repr(self) -> str:
        """Return its constants."""
        return f"mean={self.mean:.6g}, std={self.std:.6g}"
