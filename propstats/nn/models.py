"""The network of the NormProp paper's experiments."""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from propstats.errors import DomainError
from propstats.nn.layers import NormPropConv2d

#: C(filters, size, stride, padding), and P(size, stride, padding) of the largest or of the average.
_LAYERS = (
    ("C", 192, 5, 1, 2), ("C", 160, 1, 1, 0), ("max", 3, 2, 1),
    ("C", 96, 1, 1, 0), ("C", 192, 5, 1, 2), ("C", 192, 1, 1, 0), ("avg", 3, 2, 1),
    ("C", 192, 1, 1, 0), ("C", 192, 5, 1, 0), ("C", 192, 1, 1, 2), ("C", 0, 1, 1, 0), ("avg", 8, 8, 0),
)  # fmt: skip

_Unit = Callable[[int, int, int, int, int], list[nn.Module]]


def nin(
    normalization: str = "normprop",
    *,
    classes: int = 10,
    channels: int = 3,
    generator: torch.Generator | None = None,
    **options: object,
) -> nn.Sequential:
    """Return the Network in Network on which the paper compares normalisations, for images of 32 x 32 pixels.

    Nine convolutions. The first eight are units of a convolution and a ReLU, normalised; the last one gives the
    classes' scores and is plain, as the output layer of any network. Pooling is ordinary.

    Args:
        normalization: `"normprop"`, `"batchnorm"` (between convolution and ReLU), or `"none"`.
        classes: Number of classes; the paper's last layer has 10, and 100 for CIFAR-100.
        channels: Channels of the images.
        generator: Where weights (Glorot's, uniform) are drawn from; torch's global generator if there is none.
        **options: Of the NormProp layers: activation, gamma, beta, constants, affine.

    Raises:
        DomainError: If the normalisation is not one of these, or another takes options.

    References:
        Arpit et al. 2016, arXiv:1603.01431, section 5, "Experimental Protocols", and section 4.2 for the weights.

    >>> nin()(torch.zeros(1, 3, 32, 32)).shape
    torch.Size([1, 10])
    """
    units: dict[str, _Unit] = {
        "normprop": lambda *geometry: [_normprop(*geometry, generator, options)],
        "batchnorm": lambda *geometry: [
            _plain(*geometry, generator, bias=False), nn.BatchNorm2d(geometry[1]), nn.ReLU(inplace=True)
        ],
        "none": lambda *geometry: [_plain(*geometry, generator), nn.ReLU(inplace=True)],
    }  # fmt: skip
    if normalization not in units:
        raise DomainError(f"normalization must be one of {', '.join(units)}, got {normalization!r}")
    if options and normalization != "normprop":
        raise DomainError(f"{', '.join(options)} belong to NormProp layers, not to normalization {normalization!r}")
    layers: list[nn.Module] = []
    for kind, *numbers in _LAYERS:
        if kind != "C":
            pool = nn.MaxPool2d if kind == "max" else nn.AvgPool2d
            layers.append(pool(*numbers))
            continue
        filters, *geometry = numbers
        is_last = not filters
        if is_last:
            layers.append(_plain(channels, classes, *geometry, generator))
        else:
            layers += units[normalization](channels, filters, *geometry)
        channels = filters
    return nn.Sequential(*layers, nn.Flatten())


def _normprop(
    inputs: int, filters: int, size: int, stride: int, padding: int, generator: torch.Generator | None, options: Any
) -> nn.Module:
    return NormPropConv2d(inputs, filters, size, stride=stride, padding=padding, generator=generator, **options)


def _plain(
    inputs: int,
    filters: int,
    size: int,
    stride: int,
    padding: int,
    generator: torch.Generator | None,
    *,
    bias: bool = True,
) -> nn.Module:
    # Without storage at first: torch would draw weights from its global generator.
    layer = nn.Conv2d(inputs, filters, size, stride, padding, bias=bias, device="meta")
    layer.to_empty(device=torch.get_default_device())
    nn.init.xavier_uniform_(layer.weight, generator=generator)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer
