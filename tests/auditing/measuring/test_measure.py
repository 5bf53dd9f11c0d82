"""Autograd, asked directly, gives the same gradients; what is not finite is measured as such."""

import math

import pytest
import torch
from probed import Residual, draw, named
from torch import nn
from torch.nn import functional

from propstats.auditing.probing import probe


def test_gradients_are_those_of_autograd() -> None:
    model = Residual().eval()
    x = draw(64, 3, 8, 8)
    found = probe(model, x, seed=5)
    from propstats.expectation.sampling import block_seed

    leaf = x.clone().requires_grad_()
    stem = model.stem(leaf)
    y = functional.relu(stem)
    a = model.a(y)
    out = model.head(model.b(a).mean((2, 3)))
    direction = torch.randn(out.shape, generator=torch.Generator().manual_seed(block_seed(5, 0)))
    gradients = torch.autograd.grad(out, [leaf, stem, y, a], direction)
    calls = named(found)
    measured = [
        calls["stem", 0].gradient_input, calls["stem", 0].gradient_output,
        calls["relu", 0].gradient_output, calls["a.relu", 0].gradient_output,
    ]  # fmt: skip
    for gradient, statistics in zip(gradients, measured, strict=True):
        # Float32 rounds each of a few dozen operations by 2^-24; the gradients here are sums of thousands of terms.
        assert statistics.running.mean == pytest.approx(float(gradient.double().square().mean()), rel=1e-4)
        assert statistics.running.count == 64


def test_gradients_before_changes_in_place() -> None:
    """Sequences through `nn.Linear` come as views, and what follows changes them."""
    torch.manual_seed(0)
    first, last = nn.Linear(4, 8), nn.Linear(8, 2)
    x = draw(30, 5, 4)
    changed = probe(nn.Sequential(first, nn.ReLU(inplace=True), last), x)
    plain = probe(nn.Sequential(first, nn.ReLU(), last), x)
    for a, b in zip(changed.calls, plain.calls, strict=True):
        assert a.gradient_output.is_measured
        assert a.gradient_output.running.mean == b.gradient_output.running.mean
        assert a.gradient_input.running.mean == b.gradient_input.running.mean


class Functional(nn.Module):
    """Layers and activations called as functions."""

    def __init__(self, modules: nn.Sequential) -> None:
        super().__init__()
        self.weighted = modules

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        _, _, second, _, last = self.weighted
        weight, bias = self.weighted.get_parameter("0.weight"), self.weighted.get_parameter("0.bias")
        x = functional.relu(functional.linear(x, weight, bias))
        x = torch.tanh_(second(x))
        result: torch.Tensor = last(x)
        return result


def test_functions_are_measured_as_layers_are() -> None:
    modules = nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 16), nn.Tanh(), nn.Linear(16, 3))
    with torch.no_grad():
        modules.get_parameter("0.bias")[:5] = -100.0  # dead
        modules.get_parameter("2.weight")[:8] *= 1e3  # saturated, but where all inputs are dead
    x = draw(200, 6)
    layers, functions = probe(modules, x).calls, probe(Functional(modules), x).calls
    assert [call.kind for call in functions] == ["linear", "relu", "Linear", "tanh", "Linear"]
    for layer, function in zip(layers, functions, strict=True):
        assert type(layer.rule) is type(function.rule)
        assert (layer.flat, layer.saturates) == (function.flat, function.saturates)
        assert (layer.alive is None) == (function.alive is None)
        assert layer.alive is None or function.alive is None or torch.equal(layer.alive, function.alive)
    assert functions[1].alive is not None
    assert int(functions[1].alive.sum()) <= 11
    assert functions[3].flat > 0
    assert functions[3].saturates


def test_infinite_signal_is_measured_as_such() -> None:
    model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    with torch.no_grad():
        model.get_parameter("0.weight").fill_(math.inf)
    found = probe(model, draw(30, 3))
    assert found.calls[0].output.non_finite > 0
    assert not found.calls[0].output.is_finite
