"""Normalise the signal, the gradient, a compromise, or each by a scale of its own."""

from collections.abc import Callable, Mapping
from itertools import pairwise

import numpy as np
import torch
from torch import nn

from propstats.estimate import Estimate
from propstats.experiments.keeping import mean_over_networks
from propstats.experiments.lessons.networks import accuracy, digits, gaussian, generator, stack, train
from propstats.experiments.lessons.record import Curve, Lesson, Panel
from propstats.nn import NormPropLinear
from propstats.nn.backward import backward_normalized
from propstats.nn.gradient import separate_scales

_WIDTHS = (64, 128, 64, 128, 64, 128, 64, 128, 64, 128, 64, 128, 64)
_STEPS, _RATES, _DRAWS, _INPUTS = 150, (0.02, 0.1), 20, 64


def both_ways(seed: int) -> Lesson:
    """What keeps gradients does not keep signals, and the other way round; separate scales keep both."""
    found = {name: _scales(build, seed) for name, build in _WAYS.items()}
    reached = {name: _best_accuracy(build, seed) for name, build in _WAYS.items()}
    signal = {name: pair[0][-1] for name, pair in found.items()}
    gradient = {name: pair[1][0] for name, pair in found.items()}

    def kept(estimate: Estimate) -> bool:
        return 1 / 3 < estimate.value < 3

    layers = tuple(float(layer) for layer in range(1, len(_WIDTHS)))
    curves = tuple(
        Curve(label, layers, tuple(estimate.value for estimate in found[name][side]))
        for label, name, side in (
            ("gradient, signal held", "forward", 1), ("signal, gradient held", "backward", 0),
            ("signal, both scaled", "separate", 0), ("gradient, both scaled", "separate", 1),
        )
    )  # fmt: skip
    return Lesson(
        "both-ways", "Normalising signal or gradient",
        "scaled for gradients, a network does not control its signals; separate scales for both may be a way out",
        {f"{what} {name}": values[name] for what, values in (("signal", signal), ("gradient", gradient),
                                                             ("accuracy", reached)) for name in _WAYS},
        not kept(signal["backward"]) and not kept(gradient["forward"]) and kept(signal["separate"])
        and kept(gradient["separate"]),
        f"After {len(layers)} ReLU layers the signal's variance and the gradient's mean square are "
        + "; ".join(f"{signal[name].value:.2g} and {gradient[name].value:.2g} ({name})" for name in _WAYS)
        + ". Trained at the better of two rates they name "
        + ", ".join(f"{reached[name].value:.0%} ±{reached[name].error:.0%} ({name})" for name in _WAYS)
        + " of new digits rightly.",
        Panel("what is not held, and what separate scales hold", "layer", "mean square", curves, log_y=True),
        seed,
    )  # fmt: skip


def _glorot(numbers: torch.Generator) -> nn.Sequential:
    return stack([*_WIDTHS, 10], gaussian(lambda fan_in, fan_out: 2 / (fan_in + fan_out)), nn.ReLU, numbers)


def _forward(numbers: torch.Generator) -> nn.Sequential:
    layers: list[nn.Module] = [
        NormPropLinear(inputs, outputs, gamma=1.0, generator=numbers) for inputs, outputs in pairwise(_WIDTHS)
    ]
    head = stack([_WIDTHS[-1], 10], gaussian(lambda fan_in, _: 1 / fan_in), nn.Identity, numbers)
    return nn.Sequential(*layers, *head)


def _backward(numbers: torch.Generator) -> nn.Sequential:
    return backward_normalized(_glorot(numbers))


def _separate(numbers: torch.Generator) -> nn.Sequential:
    scaled = separate_scales(_forward(numbers))
    assert isinstance(scaled, nn.Sequential)
    return scaled


_WAYS: Mapping[str, Callable[[torch.Generator], nn.Sequential]] = {
    "forward": _forward,
    "backward": _backward,
    "Glorot": _glorot,
    "separate": _separate,
}


def _hidden(model: nn.Sequential) -> list[nn.Module]:
    """Return the hidden layers, each with all that belongs to it."""
    if isinstance(model[0], NormPropLinear | nn.Sequential):
        return list(model.children())[: len(_WIDTHS) - 1]
    layers = list(model.children())
    return [nn.Sequential(*layers[start : start + 2]) for start in range(0, 2 * len(_WIDTHS) - 2, 2)]


def _scales(build: Callable[[torch.Generator], nn.Sequential], seed: int) -> tuple[list[Estimate], list[Estimate]]:
    """Variance over inputs after each hidden layer, and the mean square of the gradient in front of each."""
    signals, gradients = [], []
    for draw in range(_DRAWS):
        numbers = generator(seed, 300 + draw)
        values = [torch.randn(_INPUTS, _WIDTHS[0], generator=numbers).requires_grad_()]
        for layer in _hidden(build(numbers)):
            values.append(layer(values[-1]))
        direction = torch.randn(values[-1].shape, generator=numbers)
        back = torch.autograd.grad(values[-1], values[:-1], direction)
        signals.append([float(value.detach().var(dim=0).mean()) for value in values[1:]])
        gradients.append([float(gradient.square().mean()) for gradient in back])
    return (
        [mean_over_networks(list(column)) for column in np.array(signals).T],
        [mean_over_networks(list(column)) for column in np.array(gradients).T],
    )


def _best_accuracy(build: Callable[[torch.Generator], nn.Sequential], seed: int) -> Estimate:
    """Accuracy at the rate that is best for it, over three networks."""
    inputs, labels = digits()
    results = []
    for rate in _RATES:
        reached = []
        for own in range(seed, seed + 3):
            model = build(generator(own))
            for _ in train(model, inputs, labels, steps=_STEPS, rate=rate, seed=own):
                pass
            reached.append(accuracy(model, inputs, labels))
        results.append(mean_over_networks(reached))
    return max(results, key=lambda estimate: estimate.value)
