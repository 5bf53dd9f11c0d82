"""Max pooling against torch: on Gaussians that are what the rule assumes, alone and behind activations."""

import math

import pytest
import torch
from torch import nn

from propstats.activations import activation
from propstats.estimate import STANDARD_ERRORS
from propstats.rules.elementwise import Elementwise
from propstats.rules.from_torch_modules import standing_rule
from propstats.rules.graph import Graph
from propstats.rules.max_pooling import MaxPool, find_pooled
from propstats.rules.node import Node
from propstats.rules.order import INPUT
from propstats.signals import Gradient, Positions, Signal
from propstats.theory.pooling.layer import pool_layer
from propstats.theory.pooling.pair import Correlations, largest
from propstats.theory.pooling.window import window_moments

_POOLS: dict[str, tuple[nn.Module, tuple[int, int]]] = {
    "2x2": (nn.MaxPool2d(2), (8, 8)),
    "overlapping": (nn.MaxPool2d(3, 2, 1), (8, 8)),
    "ceil": (nn.MaxPool2d(3, 2, ceil_mode=True), (8, 6)),
    "dilated": (nn.MaxPool2d(2, 1, dilation=2), (7, 7)),
    "adaptive": (nn.AdaptiveMaxPool2d(3), (8, 7)),
    "global": (nn.AdaptiveMaxPool2d(1), (4, 4)),
}


def _gaussians(
    shape: tuple[int, ...], mean: float, within: float, inputs: float, both: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Two inputs of many draws, with the correlations that the rule assumes."""
    generator = torch.Generator().manual_seed(0)

    def normal(*sizes: int) -> torch.Tensor:
        return torch.randn(sizes, generator=generator, dtype=torch.float64)

    draws, ones = shape[0], (1,) * (len(shape) - 1)
    common, turn = math.sqrt(both) * normal(draws, *ones), (inputs - both) / (1 - within)
    first, second = normal(*shape), normal(*shape)
    second = turn * first + math.sqrt(1 - turn**2) * second
    own = math.sqrt(1 - within)
    return tuple(  # type: ignore[return-value]
        mean + common + math.sqrt(within - both) * normal(draws, *ones) + own * part for part in (first, second)
    )


@pytest.mark.parametrize("act", ["identity", "relu", "leaky_relu", "gelu"])
@pytest.mark.parametrize("name", _POOLS)
def test_against_torch(name: str, act: str) -> None:
    module, sizes = _POOLS[name]
    mean, within, inputs, both, draws = 0.2, 0.3, 0.5, 0.2, 4_000
    phi = activation(act)
    x, other = _gaussians((draws, 1, *sizes), mean, within, inputs, both)
    x.requires_grad_()
    y, z = module(phi(x)), module(phi(other))
    upstream = torch.randn(y.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    (gradient,) = torch.autograd.grad(y, x, upstream)
    y = y.detach()
    square = mean**2
    signal = Signal(mean, square + 1.0, 1.0 - inputs, positions=Positions(square + within, square + both))
    nodes = [Node("pool", "pool", standing_rule(module, (1, *sizes), False), ("act",), 1)]
    nodes.insert(0, Node("act", "act", Elementwise(phi), (INPUT,), 1, sizes))
    graph = Graph(nodes, 1, sizes)
    signals = graph.forward(signal)
    after, back = signals["pool"], graph.backward(signals)[INPUT]
    count = y[0].numel()
    pairs = y.flatten(1).sum(dim=1).square() - y.flatten(1).square().sum(dim=1)
    for what, value, sample, slack in (
        ("mean", after.mean, y.flatten(1).mean(dim=1), 0.0),
        ("q", after.q, y.square().flatten(1).mean(dim=1), 0.0),
        ("gradient", back.q, gradient.square().flatten(1).mean(dim=1), 0.0),
        # Interpolated: within 2 %. GELU's dip moves a few in a thousand besides.
        ("var", after.var, (y - z).square().flatten(1).mean(dim=1) / 2, 0.02),
        # Overlapping windows share in proportion to positions.
        ("same", after.positions.same if after.positions else 0.0, pairs / max(count * (count - 1), 1), 0.02),
    ):
        dip = 0.01 if act == "gelu" else 0.0
        allowed = STANDARD_ERRORS * float(sample.std()) / math.sqrt(draws) + (slack + dip) * abs(value)
        assert abs(value - float(sample.mean())) <= allowed, (what, value, float(sample.mean()), allowed)


def test_the_gradient_of_overlapping_windows() -> None:
    """Gradients that all windows share: a position that wins several windows gets the sum."""
    module = nn.MaxPool1d(3, 1)
    x, _ = _gaussians((6_000, 1, 12), 0.0, 0.0, 0.0, 0.0)
    x.requires_grad_()
    y = module(x)
    (gradient,) = torch.autograd.grad(y.sum(), x)
    back = standing_rule(module, (1, 12), False).backward(Gradient(1.0, positions=1.0), Signal(0.0, 1.0, 1.0))
    square = gradient.square().mean(dim=(1, 2))
    # What overlaps by 2 of 3 lies in 4, by 1 of 3 in 5 positions: the rule says 6.
    assert float(square.mean()) * 0.75 <= back.q <= float(square.mean()) * 1.05
    total = back.q * 12 + back.positions * 12 * 11
    assert math.isclose(total, 10.0**2)  # all of it arrives


@pytest.mark.parametrize("inputs", [1, 2, 9, 49])
@pytest.mark.parametrize("within", [0.0, 0.4, 1.0])
@pytest.mark.parametrize("rectified", [False, True])
def test_one_window_against_its_law(inputs: int, within: float, rectified: bool) -> None:
    """Mean, second moment and slope by the integrals of another module."""
    law = window_moments("max", inputs, mean=0.3, var=1.44, correlation=within, rectified=rectified)
    given = Correlations(within, within, within)
    found = largest(activation("relu" if rectified else "identity"), inputs, 0.3, 1.2, given)
    assert math.isclose(found.mean, law["mean"].value, rel_tol=1e-7)
    assert math.isclose(found.q, law["second_moment"].value, rel_tol=1e-7)
    if rectified:
        assert math.isclose(found.slope, inputs * law["alive"].value, rel_tol=1e-7)


def test_inputs_that_are_the_same_have_no_variance() -> None:
    given = Correlations(0.3, 1.0, 0.3)
    assert abs(largest(activation("relu"), 4, 0.0, 1.0, given).var) < 1e-12


def test_only_rising_activations_are_taken_together() -> None:
    rule = MaxPool(pool_layer("max", 2, size=4))
    for act, expected in (("relu", True), ("abs", False)):
        nodes = [
            Node("act", act, Elementwise(activation(act)), (INPUT,), 3, (4, 4)),
            Node("pool", "pool", rule, ("act",), 3, (2, 2)),
        ]
        assert ("pool" in find_pooled(nodes)) is expected
