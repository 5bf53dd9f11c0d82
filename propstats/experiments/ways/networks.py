"""The ways that are compared, and the networks that they make."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import torch
from torch import nn

from propstats.nn import NormPropLinear, separate_scales


@dataclass(frozen=True, slots=True)
class Way:
    """One way of keeping signal.

    Args:
        name: What tables and files call it.
        meaning: What it is, in words.
        hidden: Returns the layers of one hidden layer, from the number of its inputs and of its units.
        separate: Whether gradients get scales of their own.
        against: The ways that it is compared with.
    """

    name: str
    meaning: str
    hidden: Callable[[int, int, torch.Generator], Iterator[nn.Module]]
    separate: bool = False
    against: tuple[str, ...] = ("batchnorm",)


def network(
    way: Way, *, depth: int, width: int, inputs: int, classes: int, generator: torch.Generator
) -> nn.Sequential:
    """Return a fully connected network of ReLUs.

    The last layer is plain, as the output layer of any network.

    Args:
        way: How its hidden layers keep signal.
        depth: Layers of weights, the last one included.
        width: Units of each hidden layer.
        inputs: Numbers in an example.
        classes: Numbers that come out.
        generator: Where the weights are drawn from.

    >>> network(WAYS["he"], depth=2, width=3, inputs=4, classes=2, generator=torch.Generator().manual_seed(0))
    Sequential(
      (0): Linear(in_features=4, out_features=3, bias=True)
      (1): ReLU()
      (2): Linear(in_features=3, out_features=2, bias=True)
    )
    """
    sizes = [inputs, *[width] * (depth - 1)]
    layers = [layer for fan_in in sizes[:-1] for layer in way.hidden(fan_in, width, generator)]
    model = nn.Sequential(*layers, _linear(sizes[-1], classes, generator, square=1.0))
    if way.separate:
        return nn.Sequential(*separate_scales(model).children())
    return model


def _linear(
    inputs: int, units: int, generator: torch.Generator, *, square: float = 2.0, bias: bool = True
) -> nn.Linear:
    # Without storage at first: torch would draw weights from its global generator.
    layer = nn.Linear(inputs, units, bias=bias, device="meta").to_empty(device="cpu")
    nn.init.normal_(layer.weight, std=(square / inputs) ** 0.5, generator=generator)
    if bias:
        nn.init.zeros_(layer.bias)
    return layer


def _he(inputs: int, units: int, generator: torch.Generator) -> Iterator[nn.Module]:
    yield _linear(inputs, units, generator)
    yield nn.ReLU()


def _batchnorm(inputs: int, units: int, generator: torch.Generator) -> Iterator[nn.Module]:
    yield _linear(inputs, units, generator, bias=False)
    yield nn.BatchNorm1d(units)
    yield nn.ReLU()


def _normprop(**options: Any) -> Callable[[int, int, torch.Generator], Iterator[nn.Module]]:
    def hidden(inputs: int, units: int, generator: torch.Generator) -> Iterator[nn.Module]:
        yield NormPropLinear(inputs, units, generator=generator, **options)

    return hidden


_SHIFTED = _normprop(constants="matched", gamma=1.0, beta=1.0)

WAYS: Final[Mapping[str, Way]] = {
    way.name: way
    for way in (
        Way("he", "no normalisation, He's weights", _he),
        Way("batchnorm", "batch norm before each ReLU", _batchnorm, against=()),
        Way("normprop-1", "NormProp, gamma = 1", _normprop(gamma=1.0)),
        Way("normprop-1/J", "NormProp, gamma = 1/J, as the paper begins", _normprop()),
        Way("matched", "NormProp, gamma = 1, beta = 1, constants that fit them", _SHIFTED),
        Way(
            "separate",
            "the same, with gradients that have scales of their own",
            _SHIFTED,
            separate=True,
            against=("batchnorm", "matched"),
        ),
    )
}
