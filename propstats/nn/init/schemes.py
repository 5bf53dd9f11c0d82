"""Weights drawn at random by a scheme."""

import math
from typing import Any

import torch
from torch import nn

from propstats.activations import Activation, activation
from propstats.errors import DomainError, ModelError
from propstats.expectation import quadrature
from propstats.nn.rows import row_lengths, scale_rows
from propstats.theory.geometry import Axis
from propstats.theory.weights.fans import Connections
from propstats.theory.weights.schemes import TRUNCATED_STD, Law, weight_scheme

WEIGHTED = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)


def layers_of(model: nn.Module) -> list[Any]:
    """Return the layers of weights of a model, in the order of its modules.

    Raises:
        ModelError: If there are none.
    """
    found = [module for module in model.modules() if isinstance(module, WEIGHTED)]
    if not found:
        raise ModelError(f"{type(model).__name__} has no layers of weights", "these are Linear, Conv and ConvTranspose")
    return found


def connections(layer: Any) -> Connections:
    """Return what a layer connects, with as many positions as its kernel has taps: for schemes that count fans.

    >>> connections(nn.Conv2d(3, 8, 5)).fan_in
    75
    """
    rows, columns, *taps = layer.weight.shape
    if isinstance(layer, nn.Linear):
        return Connections(columns, rows)
    transposed = bool(layer.transposed)
    axes = tuple(Axis(size, size, transposed=transposed) for size in taps)
    return Connections(layer.in_channels, layer.out_channels, layer.groups, axes)


def initialize_(
    model: nn.Module, scheme: str, act: str | Activation = "relu", *, generator: torch.Generator | None = None
) -> None:
    """Draw the weights of every layer of a model by a scheme, and set biases to 0, in place.

    Fans are torch's: `shape[1] taps` and `shape[0] taps` of the weight.

    Args:
        model: The model, or one layer.
        scheme: A name from `propstats scales`: lecun, glorot, he, orthogonal and others, each with its law.
        act: The activation in front of the layers, which He's scheme asks for.
        generator: Where weights are drawn from; one with seed 0 if there is none.

    Raises:
        UnknownNameError: If the scheme or the activation is not known.
        ModelError: If the model has no layers of weights.

    References:
        As `propstats.theory.weights.schemes` names them.

    >>> layer = nn.Linear(400, 300)
    >>> initialize_(layer, "he")
    >>> bool(abs(layer.weight.std() * 200**0.5 - 1) < 5 / (2 * 400 * 300) ** 0.5)  # five standard errors
    True
    """
    unit, rule = activation(act), weight_scheme(scheme)
    depth = len(layers_of(model))
    generator = _own(generator)
    for layer in layers_of(model):
        link = connections(layer)
        _draw(layer, rule.law, math.sqrt(rule.variance(link, unit, depth)), generator)
        if layer.bias is not None:
            spread = math.sqrt(3.0 * rule.bias_variance(link, unit, depth))
            with torch.no_grad():
                layer.bias.uniform_(-spread, spread, generator=generator) if spread else layer.bias.zero_()


def glorot_(model: nn.Module, *, uniform: bool = True, generator: torch.Generator | None = None) -> None:
    """Draw weights of variance `2/(fan_in + fan_out)`, and set biases to 0, in place.

    Args:
        model: The model, or one layer.
        uniform: Whether uniformly; else Gaussian.
        generator: Where weights are drawn from; one with seed 0 if there is none.

    Raises:
        ModelError: If the model has no layers of weights.

    References:
        Glorot & Bengio 2010, Understanding the difficulty of training deep feedforward neural networks, Eqs. 12, 16.

    >>> layer = nn.Linear(400, 100)
    >>> glorot_(layer)
    >>> bool(layer.weight.abs().max() <= (6 / (400 + 100)) ** 0.5)
    True
    """
    initialize_(model, "glorot_uniform" if uniform else "glorot", generator=generator)


def he_(
    model: nn.Module, act: str | Activation = "relu", *, uniform: bool = False, generator: torch.Generator | None = None
) -> None:
    """Draw weights of variance `2/((1 + a^2) fan_in)`, and set biases to 0, in place.

    Args:
        model: The model, or one layer.
        act: The activation in front of the layers: relu, or leaky_relu and prelu with their slope a.
        uniform: Whether uniformly; else Gaussian.
        generator: Where weights are drawn from; one with seed 0 if there is none.

    Raises:
        UnknownNameError: If the activation is not known.
        ModelError: If the model has no layers of weights.

    References:
        He et al. 2015, arXiv:1502.01852, Eq. 15.

    >>> layer = nn.Linear(400, 100)
    >>> he_(layer, uniform=True)
    >>> bool(layer.weight.abs().max() <= (3 * 2 / 400) ** 0.5)
    True
    """
    initialize_(model, "he_uniform" if uniform else "he", act, generator=generator)


def lecun_(model: nn.Module, *, uniform: bool = False, generator: torch.Generator | None = None) -> None:
    """Draw weights of variance `1/fan_in`, and set biases to 0, in place.

    Args:
        model: The model, or one layer.
        uniform: Whether uniformly; else Gaussian.
        generator: Where weights are drawn from; one with seed 0 if there is none.

    Raises:
        ModelError: If the model has no layers of weights.

    References:
        LeCun et al. 1998, Efficient BackProp, Eq. 16.

    >>> layer = nn.Linear(400, 100)
    >>> lecun_(layer, uniform=True)
    >>> bool(layer.weight.abs().max() <= (3 / 400) ** 0.5)
    True
    """
    initialize_(model, "lecun_uniform" if uniform else "lecun", generator=generator)


def orthogonal_(model: nn.Module, *, generator: torch.Generator | None = None) -> None:
    """Draw weights with orthonormal rows, or columns if these are fewer, and set biases to 0, in place.

    Args:
        model: The model, or one layer.
        generator: Where weights are drawn from; one with seed 0 if there is none.

    Raises:
        ModelError: If the model has no layers of weights.

    References:
        Saxe, McClelland & Ganguli 2014, arXiv:1312.6120.

    >>> layer = nn.Linear(400, 100)
    >>> orthogonal_(layer)
    >>> bool(torch.allclose(layer.weight @ layer.weight.T, torch.eye(100), atol=1e-5))
    True
    """
    initialize_(model, "orthogonal", generator=generator)


def exact_(
    model: nn.Module,
    act: str | Activation = "relu",
    *,
    std: float = 1.0,
    backward: bool = False,
    generator: torch.Generator | None = None,
) -> None:
    """Draw Gaussian weights with the exact gain of any activation, and set biases to 0, in place.

    Variance `s^2/(fan_in E[phi(s z)^2])` keeps the second moment of pre-activations at `s^2`; backwards,
    `1/(fan_out E[phi'(s z)^2])` keeps that of gradients.

    Args:
        model: The model, or one layer.
        act: The activation in front of the layers: a name, a formula, a record.
        std: s, the standard deviation of the pre-activations.
        backward: Whether to keep gradients instead of signals.
        generator: Where weights are drawn from; one with seed 0 if there is none.

    Raises:
        UnknownNameError: If the activation is not known.
        DomainError: If it has no gain: what it puts out, or its slope, has no positive second moment.
        ModelError: If the model has no layers of weights.

    >>> layer = nn.Linear(400, 300)
    >>> exact_(layer, "gelu")  # gain 1.5335; torch has none
    >>> bool(abs(layer.weight.std() * 20 / 1.5335304412 - 1) < 5 / (2 * 400 * 300) ** 0.5)
    True
    """
    unit = activation(act)
    name = "slope_second_moment" if backward else "second_moment"
    power = quadrature.moments(unit, std=std)[name].value
    if not 0.0 < power < math.inf:
        raise DomainError(f"{unit} has no gain at standard deviation {std:g}: {name} is {power:g}")
    generator = _own(generator)
    for layer in layers_of(model):
        link = connections(layer)
        variance = 1.0 / (link.fan_out * power) if backward else std**2 / (link.fan_in * power)
        _draw(layer, Law.GAUSSIAN, math.sqrt(variance), generator)
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)


def _own(generator: torch.Generator | None) -> torch.Generator:
    return torch.Generator().manual_seed(0) if generator is None else generator


def _draw(layer: Any, law: Law, std: float, generator: torch.Generator) -> None:
    """Draw the weight of a layer with a standard deviation; on the CPU, whatever device it is on."""
    with torch.no_grad():
        drawn = torch.empty(layer.weight.shape, dtype=torch.float32, device=generator.device)
        if law is Law.ORTHOGONAL:
            nn.init.orthogonal_(drawn, generator=generator)
        elif law is Law.UNIFORM:
            drawn.uniform_(-math.sqrt(3.0) * std, math.sqrt(3.0) * std, generator=generator)
        elif law is Law.TRUNCATED:
            cut = std / TRUNCATED_STD
            nn.init.trunc_normal_(drawn, 0.0, cut, -2.0 * cut, 2.0 * cut, generator=generator)
        else:
            drawn.normal_(0.0, std, generator=generator)
        layer.weight.copy_(drawn)
        if law is Law.UNIT_ROWS:
            layer.weight.copy_(scale_rows(layer, layer.weight, 1.0 / row_lengths(layer)))
