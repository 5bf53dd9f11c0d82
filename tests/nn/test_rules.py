"""Audits and `propagate` know NormProp layers: prediction beside simulation."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import propstats
from propstats.activations import activation
from propstats.estimate import STANDARD_ERRORS
from propstats.nn import NormPropConv2d, NormPropConvTranspose1d, NormPropLinear, convert, fold
from propstats.nn.init import initialize_
from propstats.rules.affine import Chain
from propstats.rules.dense import Weights
from propstats.rules.from_torch import rule_for
from propstats.rules.from_torch_graph import graph_of
from propstats.rules.normprop import normprop
from propstats.signals import Gradient, Signal

_WIDTH = 256


@pytest.mark.parametrize(
    "options",
    [{}, {"gamma": 1.0, "activation": "tanh"}, {"constants": "matched", "gamma": 1.0, "beta": 1.0}],
    ids=str,
)
def test_what_is_predicted_is_what_is_simulated(options: dict[str, Any]) -> None:
    generator = torch.Generator().manual_seed(1)
    layers = [NormPropLinear(_WIDTH, _WIDTH, generator=generator, **options) for _ in range(4)]
    x, signal = torch.randn(512, _WIDTH, generator=generator), Signal(0.0, 1.0, 1.0)
    with torch.no_grad():
        for layer in layers:
            x, signal = layer(x), rule_for(layer, (_WIDTH,)).forward(signal)
            wide = x.double()
            for expected, squares in ((signal.q, wide**2), (signal.var, (wide - wide.mean(dim=0)) ** 2)):
                by_example = squares.mean(dim=1)
                error = math.hypot(signal.error * expected, float(by_example.std()) / math.sqrt(len(x)))
                assert abs(float(by_example.mean()) - expected) <= STANDARD_ERRORS * error


def test_it_is_the_rule_of_the_theory() -> None:
    layer = NormPropLinear(400, 300, gamma=0.9, generator=torch.Generator().manual_seed(0))
    own, signal = rule_for(layer, (400,)), Signal(0.0, 1.0, 1.0)
    theory = normprop(Weights(0.0, 1 / 400, 0.0, 0.0, 400, 300, 300), activation("relu"), 0.9)
    for name in ("mean", "q", "var", "error"):
        # Single precision holds gamma and the lengths.
        assert math.isclose(getattr(own.forward(signal), name), getattr(theory.forward(signal), name), rel_tol=1e-6)


def test_networks_are_read_and_layers_without_a_rule_are_named() -> None:
    model = nn.Sequential(
        NormPropConv2d(3, 8, 3, padding=1), nn.Flatten(2), NormPropConvTranspose1d(8, 4, 2), nn.Flatten(),
        NormPropLinear(4 * 17, 2, activation="prelu"),
    )  # fmt: skip
    with torch.no_grad():
        assert np.isfinite(rule_for(model[4], (68,)).forward(Signal(0.0, 1.0, 1.0)).q)
        model[4].get_parameter("beta")[0] = 1.0
        assert np.isfinite(rule_for(model[4], (68,)).forward(Signal(0.0, 1.0, 1.0)).q)
    assert np.isfinite(rule_for(NormPropLinear(4, 2, activation=_slopes()), (4,)).forward(Signal(0.0, 1.0, 1.0)).q)
    graph = graph_of(model, (3, 4, 4))
    assert [node.kind for node in graph.nodes] == [type(layer).__name__ for layer in model]
    assert isinstance(graph_of(model[0], (3, 4, 4)).output.rule, Chain)
    report = propstats.audit(model, torch.randn(64, 3, 4, 4, generator=torch.Generator().manual_seed(0)))
    assert "NormPropConv2d" in {layer.type for layer in report.layers}


def test_an_audit_expects_what_it_measures() -> None:
    options: list[dict[str, Any]] = [{}, {"constants": "matched", "gamma": 1.0, "beta": 1.0}]
    for option in options:
        generator = torch.Generator().manual_seed(0)
        hidden = [NormPropLinear(64 if k == 0 else 256, 256, generator=generator, **option) for k in range(6)]
        report = propstats.audit(nn.Sequential(*hidden), "digits")
        assert {layer.verdict for layer in report.layers} == {"ok"}
        expected = [layer.one_step for layer in report.layers]
        assert None not in expected


def _trained(activation: Any, *, units: int = 512, spread: float = 0.1, constants: str = "matched") -> NormPropLinear:
    """A layer whose units have scales, shifts and slopes of their own, as after training."""
    generator = torch.Generator().manual_seed(0)
    layer = NormPropLinear(
        64, units, activation=activation, constants=constants, gamma=1.0, beta=0.5, generator=generator
    )
    with torch.no_grad():
        for numbers in (layer.gamma, layer.beta, *([] if layer.slope is None else [layer.slope])):
            numbers.add_(spread * torch.randn(units, generator=generator))
    return layer


@pytest.mark.parametrize("activation", ["relu", "tanh", nn.PReLU(512)], ids=str)
def test_units_with_constants_of_their_own_are_what_is_measured(activation: Any) -> None:
    layer, std, samples = _trained(activation), 1.5, 4000
    rule = rule_for(layer, (64,))
    inputs = std * torch.randn(samples, 64, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    inputs.requires_grad_()
    outputs = layer.double()(inputs)
    expected = rule.forward(Signal(0.0, std**2, std**2))
    # Inputs are independent: what is left is the mean over 512 units, whose fourth moments the rule knows.
    assert abs(float(outputs.detach().square().mean()) / expected.q - 1.0) < STANDARD_ERRORS * expected.error
    assert abs(float(outputs.detach().var(dim=0).mean()) / expected.var - 1.0) < STANDARD_ERRORS * expected.error
    directions = torch.randn(outputs.shape, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    (gradient,) = torch.autograd.grad(outputs, inputs, directions)
    back = rule.backward(Gradient(1.0), Signal(0.0, std**2, std**2, units=64.0))
    assert abs(float(gradient.square().mean()) / back.q - 1.0) < STANDARD_ERRORS * back.error


def test_an_audit_of_trained_units_has_expectations() -> None:
    layers = [_trained("relu", units=64, spread=0.2) for _ in range(3)]
    report = propstats.audit(nn.Sequential(*layers), "digits")
    assert all(layer.one_step is not None for layer in report.layers)
    assert {layer.verdict for layer in report.layers} == {"ok"}


_MATCHED: dict[str, Any] = {"constants": "matched", "gamma": 1.0, "beta": 1.0}


@pytest.mark.parametrize("options", [{}, pytest.param(_MATCHED, marks=pytest.mark.slow)], ids=str)
def test_converted_and_folded_networks_pass(options: dict[str, Any]) -> None:
    layers: list[nn.Module] = []
    for k in range(4):
        layers += [nn.Linear(64, 64), nn.BatchNorm1d(64), nn.Tanh() if k % 2 else nn.ReLU()]
    initialize_(plain := nn.Sequential(*layers, nn.Linear(64, 10)), "he")
    converted = convert(plain, **options)
    for network in (converted, fold(converted)):
        report = propstats.audit(network, torch.randn(200, 64, generator=torch.Generator().manual_seed(0)))
        assert report.passed
        assert {layer.verdict for layer in report.layers} <= {"ok", "departs"}


def _slopes() -> nn.PReLU:
    own = nn.PReLU(2)
    with torch.no_grad():
        own.weight[0] = 0.5
    return own
