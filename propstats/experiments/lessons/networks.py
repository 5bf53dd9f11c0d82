"""Small networks on the embedded digits: drawn, trained and measured from one seed."""

from collections.abc import Callable, Iterator, Sequence
from functools import cache
from itertools import pairwise

import torch
from torch import nn

from propstats.auditing.data.load import load_data
from propstats.estimate import Estimate
from propstats.expectation.sampling import block_seed
from propstats.experiments.keeping import mean_over_networks

_HELD_OUT = 297
BATCH = 64

Draw = Callable[[torch.Tensor, torch.Generator], None]


@cache
def digits(normalize: str = "global") -> tuple[torch.Tensor, torch.Tensor]:
    """Return the digits in an order that mixes writers, shapes (1797, 64) and (1797,)."""
    data = load_data("digits", normalize=normalize)
    assert data.labels is not None
    order = torch.randperm(len(data.inputs), generator=torch.Generator().manual_seed(0))
    return data.inputs[order].flatten(1), data.labels[order]


def training_part(inputs: torch.Tensor) -> torch.Tensor:
    """Return all but those that are held out."""
    return inputs[:-_HELD_OUT]


def generator(seed: int, stream: int = 0) -> torch.Generator:
    """Return a generator of its own."""
    return torch.Generator().manual_seed(block_seed(seed, stream))


def dense(inputs: int, outputs: int, draw: Draw, numbers: torch.Generator) -> nn.Linear:
    """Return a layer whose weights are drawn by a function, with biases 0."""
    layer = nn.Linear(inputs, outputs, device="meta").to_empty(device="cpu")  # torch would draw from its own generator
    assert isinstance(layer, nn.Linear)
    with torch.no_grad():
        draw(layer.weight, numbers)
        layer.bias.zero_()
    return layer


def gaussian(variance: Callable[[int, int], float]) -> Draw:
    """Return how to draw Gaussian weights of a variance that depends on (fan_in, fan_out)."""

    def draw(weight: torch.Tensor, numbers: torch.Generator) -> None:
        fan_out, fan_in = weight.shape
        weight.normal_(0.0, variance(fan_in, fan_out) ** 0.5, generator=numbers)

    return draw


def stack(widths: Sequence[int], draw: Draw, act: Callable[[], nn.Module], numbers: torch.Generator) -> nn.Sequential:
    """Return dense layers with activations between them, none after the last."""
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(widths):
        layers += [dense(inputs, outputs, draw, numbers), act()]
    return nn.Sequential(*layers[:-1])


def train(
    model: nn.Module, inputs: torch.Tensor, labels: torch.Tensor, *, steps: int, rate: float, seed: int
) -> Iterator[float]:
    """Train by plain gradient descent with momentum; yield the loss of each step."""
    optimizer = torch.optim.SGD(model.parameters(), lr=rate, momentum=0.9)
    numbers = generator(seed, 1)
    count = len(inputs) - _HELD_OUT
    model.train()
    for _ in range(steps):
        chosen = torch.randint(count, (BATCH,), generator=numbers)
        loss = nn.functional.cross_entropy(model(inputs[chosen]), labels[chosen])
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        yield float(loss.detach())
    model.eval()


def accuracy(model: nn.Module, inputs: torch.Tensor, labels: torch.Tensor) -> float:
    """Return the share of held out digits that are named rightly."""
    model.eval()
    with torch.no_grad():
        right = model(inputs[-_HELD_OUT:]).argmax(dim=1) == labels[-_HELD_OUT:]
    return float(right.double().mean())


def trained_accuracy(build: Callable[[int], nn.Module], *, seeds: Sequence[int], steps: int, rate: float) -> Estimate:
    """Train a network for each seed and return the mean accuracy with its standard error over seeds."""
    inputs, labels = digits()
    found = []
    for seed in seeds:
        model = build(seed)
        for _ in train(model, inputs, labels, steps=steps, rate=rate, seed=seed):
            pass
        found.append(accuracy(model, inputs, labels))
    return mean_over_networks(found)
