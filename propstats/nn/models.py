"""The network of the NormProp paper's experiments."""

from typing import Any

import torch
from torch import nn

from propstats.errors import DomainError
from propstats.nn.layers import NormPropConv2d

#: C(filters, size, stride, padding), the last with as many filters as classes, and P(size, stride, padding).
_LAYERS = (
    ("C", 192, 5, 1, 2), ("C", 160, 1, 1, 0), ("max", 0, 3, 2, 1),
    ("C", 96, 1, 1, 0), ("C", 192, 5, 1, 2), ("C", 192, 1, 1, 0), ("avg", 0, 3, 2, 1),
    ("C", 192, 1, 1, 0), ("C", 192, 5, 1, 0), ("C", 192, 1, 1, 2), ("classes", 0, 1, 1, 0), ("avg", 0, 8, 8, 0),
)  # fmt: skip
#: The fewest filters of a hidden layer.
_FEWEST = 96
_NORMALIZATIONS = ("normprop", "batchnorm", "none")


def nin(
    normalization: str = "normprop",
    *,
    classes: int = 10,
    channels: int = 3,
    thin: int = 1,
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
        thin: What the paper's numbers of filters are divided by, 192, 160 and 96.
        generator: Where weights (Glorot's, uniform) are drawn from; torch's global generator if there is none.
        **options: Of the NormProp layers: activation, gamma, beta, constants, affine.

    Raises:
        DomainError: If the normalisation is not one of these, or another takes options, or `thin` leaves no filter.

    References:
        Arpit et al. 2016, arXiv:1603.01431, section 5, "Experimental Protocols", and section 4.2 for the weights.

    >>> nin()(torch.zeros(1, 3, 32, 32)).shape
    torch.Size([1, 10])
    """
    if normalization not in _NORMALIZATIONS:
        raise DomainError(f"normalization must be one of {', '.join(_NORMALIZATIONS)}, got {normalization!r}")
    if options and normalization != "normprop":
        raise DomainError(f"{', '.join(options)} belong to NormProp layers, not to normalization {normalization!r}")
    if not 1 <= thin <= _FEWEST:
        raise DomainError(f"thin must be from 1 to {_FEWEST}, got {thin}")
    layers: list[nn.Module] = []
    for kind, of_filters, size, stride, padding in _LAYERS:
        filters = of_filters // thin
        if kind == "max":
            layers.append(nn.MaxPool2d(size, stride, padding))
        elif kind == "avg":
            layers.append(nn.AvgPool2d(size, stride, padding))
        elif kind == "classes":
            layers.append(_plain(channels, classes, size, stride, padding, generator=generator))
        elif normalization == "normprop":
            geometry: Any = {"stride": stride, "padding": padding, **options}
            layers.append(NormPropConv2d(channels, filters, size, generator=generator, **geometry))
        else:
            normed = normalization == "batchnorm"
            layers.append(_plain(channels, filters, size, stride, padding, bias=not normed, generator=generator))
            layers += [nn.BatchNorm2d(filters), nn.ReLU(inplace=True)] if normed else [nn.ReLU(inplace=True)]
        channels = filters or channels
    return nn.Sequential(*layers, nn.Flatten())


def _plain(
    inputs: int,
    filters: int,
    size: int,
    stride: int,
    padding: int,
    *,
    bias: bool = True,
    generator: torch.Generator | None,
) -> nn.Module:
    # Without storage at first: torch would draw weights from its global generator.
    layer = nn.Conv2d(inputs, filters, size, stride, padding, bias=bias, device="meta")
    layer.to_empty(device=torch.get_default_device())
    nn.init.xavier_uniform_(layer.weight, generator=generator)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer
