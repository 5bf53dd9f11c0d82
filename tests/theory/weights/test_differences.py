import math

import pytest
import torch
from torch_schemes import seeded

from propstats.activations import activation
from propstats.estimate import STANDARD_ERRORS
from propstats.rules.dense import Weights
from propstats.rules.elementwise import Elementwise
from propstats.signals import Signal
from propstats.theory.weights.differences import difference_remaining


@pytest.mark.parametrize(("name", "gain"), [("relu", 2.0), ("tanh", 1.5), ("gelu", 2.3), ("tanh", 4.0)])
def test_against_the_rules_of_layers(name: str, gain: float) -> None:
    """The same signal through the rules that audits use, layer by layer."""
    signal, depth = Signal(0.0, 1.0, 1.0), 8
    weights = Weights(0.0, gain / 100, 0.0, 0.0, fan_in=100, fan_out=100, units=10**9)
    for _ in range(depth):
        after = weights.forward(Elementwise(activation(name)).forward(signal))
        signal = Signal(0.0, after.q, after.var)
    found = difference_remaining(activation(name), gain, std=1.0, depth=depth)
    assert abs(found.value - signal.var) <= 2 * found.error
    assert found.error < 1e-9 * found.value


def test_relu_forgets_like_one_over_depth_squared() -> None:
    """He's ReLU: 1 - c falls like 9 pi^2/(2 l^2) (Hayou et al. 2019, arXiv:1902.06853, Proposition 1)."""
    shares = [
        difference_remaining(activation("relu"), 2.0, std=1.0, depth=depth).value / (9 * math.pi**2 / 2 / depth**2)
        for depth in (30, 60, 120)
    ]
    # The next term is of relative order log(l)/l: every doubling brings the limit nearer.
    gaps = [1 - share for share in shares]
    assert 0 < gaps[2] < 0.7 * gaps[1] < 0.7**2 * gaps[0]
    assert gaps[2] < 5 * math.log(120) / 120


def test_the_scale_of_homogeneous_activations_cancels() -> None:
    one, two = (difference_remaining(activation("relu"), 1.0, std=std, depth=5) for std in (1.0, 30.0))
    assert one.agrees_with(two)


def test_simulated() -> None:
    width, depth, draws = 600, 6, 30
    exact = difference_remaining(activation("tanh"), 2.0, std=1.0, depth=depth)
    found = []
    with seeded(0):
        for _ in range(draws):
            h = torch.randn(2, width)
            for _ in range(depth):
                h = torch.tanh(h) @ torch.randn(width, width) * math.sqrt(2 / width)
            found.append(float((h[0] - h[1]).square().mean()) / 2)
    values = torch.tensor(found)
    error = STANDARD_ERRORS * values.std().item() / math.sqrt(draws)
    assert abs(values.mean().item() - exact.value) <= error + 2 * depth / width * exact.value


def test_what_cannot_be_followed_is_no_number() -> None:
    assert difference_remaining(activation("identity"), 0.0, std=1.0, depth=1).value == 0.0
    assert not difference_remaining(activation("cube"), 1.0, std=1.0, depth=20).is_defined
