"""NormProp layers: fully connected, convolutional, transposed. Each is also torch's layer of that kind."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from propstats.errors import DomainError
from propstats.nn.normprop import NormProp


class NormPropLinear(NormProp, nn.Linear):
    """A fully connected NormProp layer: `NormPropLinear(in_features, out_features, activation="relu", ...)`.

    See `NormProp` for what all layers share.

    >>> layer = NormPropLinear(784, 512, generator=torch.Generator().manual_seed(0))
    >>> layer
    NormPropLinear(in_features=784, out_features=512, bias=False, activation=relu, constants=paper)
    >>> round(layer.gamma[0].item(), 4)  # 1/1.2112
    0.8256
    """

    @property
    def _units(self) -> int:
        return self.out_features

    def _sum(self, input: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
        return functional.linear(input, weight, bias)


class _Convolution(NormProp):
    out_channels: int

    @property
    def _units(self) -> int:
        return self.out_channels

    def _sum(self, input: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
        own: Any = self
        result: torch.Tensor = own._conv_forward(input, weight, bias)
        return result


class NormPropConv1d(_Convolution, nn.Conv1d):
    """A NormProp convolution along one axis, with the arguments of `torch.nn.Conv1d` and those of `NormProp`.

    >>> NormPropConv1d(3, 8, 5, padding=2)(torch.zeros(1, 3, 20)).shape
    torch.Size([1, 8, 20])
    """


class NormPropConv2d(_Convolution, nn.Conv2d):
    """A NormProp convolution of images, with the arguments of `torch.nn.Conv2d` and those of `NormProp`.

    >>> layer = NormPropConv2d(3, 192, 5, padding=2, activation="tanh", gamma=1.0)
    >>> layer(torch.zeros(1, 3, 32, 32)).shape
    torch.Size([1, 192, 32, 32])
    """


class NormPropConv3d(_Convolution, nn.Conv3d):
    """A NormProp convolution of volumes, with the arguments of `torch.nn.Conv3d` and those of `NormProp`.

    >>> NormPropConv3d(1, 4, 3)(torch.zeros(1, 1, 6, 6, 6)).shape
    torch.Size([1, 4, 4, 4, 4])
    """


class _Transposed(_Convolution):
    stride: tuple[int, ...]

    @property
    def _unit_length(self) -> float:
        # Each of the positions between two strides sees another part of the taps.
        return math.sqrt(math.prod(self.stride))

    def _sum(self, input: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
        own: Any = self
        convolve = (functional.conv_transpose1d, functional.conv_transpose2d, functional.conv_transpose3d)
        where = (own.stride, own.padding, own.output_padding, own.groups, own.dilation)
        return convolve[len(self.stride) - 1](input, weight, bias, *where)

    def forward(self, input: torch.Tensor, output_size: Sequence[int] | None = None) -> torch.Tensor:
        """Return what the layer makes of its input.

        Args:
            input: As for torch's layer of the same name: (examples, channels, ...).
            output_size: Not taken; there to be refused.

        Raises:
            DomainError: If an output size is asked for.
        """
        if output_size is not None:
            raise DomainError("a NormProp layer takes no output_size", "give it output_padding when it is made")
        return super().forward(input)


class NormPropConvTranspose1d(_Transposed, nn.ConvTranspose1d):
    """The transposed NormProp convolution along one axis, with the arguments of `torch.nn.ConvTranspose1d`.

    >>> NormPropConvTranspose1d(3, 8, 4, stride=2)(torch.zeros(1, 3, 10)).shape
    torch.Size([1, 8, 22])
    """


class NormPropConvTranspose2d(_Transposed, nn.ConvTranspose2d):
    """The transposed NormProp convolution of images, with the arguments of `torch.nn.ConvTranspose2d`.

    >>> NormPropConvTranspose2d(3, 8, 4, stride=2)(torch.zeros(1, 3, 10, 10)).shape
    torch.Size([1, 8, 22, 22])
    """


class NormPropConvTranspose3d(_Transposed, nn.ConvTranspose3d):
    """The transposed NormProp convolution of volumes, with the arguments of `torch.nn.ConvTranspose3d`.

    >>> NormPropConvTranspose3d(1, 2, 2, stride=2)(torch.zeros(1, 1, 3, 3, 3)).shape
    torch.Size([1, 2, 6, 6, 6])
    """
