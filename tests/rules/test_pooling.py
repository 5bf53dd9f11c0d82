"""Average pooling is a matrix: its rule is linear algebra, exactly. Power pooling is torch's on Gaussians."""

import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from propstats.estimate import STANDARD_ERRORS
from propstats.rules.from_torch_modules import standing_rule
from propstats.rules.pooling import AveragePool, PowerPool
from propstats.signals import Gradient, Positions, Signal
from propstats.theory.pooling.layer import pool_layer

_LAYERS: dict[str, tuple[nn.Module, int]] = {
    "plain": (nn.AvgPool1d(2), 6),
    "overlapping": (nn.AvgPool1d(3, 1, 1), 5),
    "padded": (nn.AvgPool1d(3, 2, 1), 7),
    "global": (nn.AvgPool1d(4), 4),
    "padding not counted": (nn.AvgPool1d(3, 2, 1, count_include_pad=False), 8),
    "ceil": (nn.AvgPool1d(3, 2, ceil_mode=True), 8),
    "adaptive": (nn.AdaptiveAvgPool1d(3), 7),
}


@pytest.mark.parametrize("name", _LAYERS)
def test_against_the_matrix(name: str) -> None:
    module, size = _LAYERS[name]
    matrix = module(torch.eye(size, dtype=torch.float64)[:, None])[:, 0].T.numpy()
    rule = standing_rule(module, (1, size), False)
    assert isinstance(rule, AveragePool)

    def products(
        at_one: float, at_two: float, m: np.ndarray[tuple[int, int], np.dtype[np.float64]]
    ) -> tuple[float, float]:
        covariance = m @ (np.full((m.shape[1],) * 2, at_two) + (at_one - at_two) * np.eye(m.shape[1])) @ m.T
        n = len(covariance)
        return float(np.trace(covariance)) / n, float(covariance.sum() - np.trace(covariance)) / max(n * (n - 1), 1)

    signal = Signal(0.5, 2.0, 0.8, positions=Positions(1.1, 0.7))
    after = rule.forward(signal)
    q, same = products(2.0, 1.1, matrix)
    overlap, other = products(1.2, 0.7, matrix)
    assert np.isclose(after.q, q)
    assert np.isclose(after.var, q - overlap)
    assert np.isclose(after.mean, 0.5 * matrix.sum() / len(matrix))
    if after.positions is not None:
        assert np.allclose((after.positions.same, after.positions.other), (same, other))
    back = rule.backward(Gradient(3.0, positions=0.4), signal)
    assert np.allclose((back.q, back.positions), products(3.0, 0.4, matrix.T))


def test_two_axes_and_another_divisor() -> None:
    module = nn.AvgPool2d(2, divisor_override=3)
    found = standing_rule(module, (1, 4, 6), False).forward(Signal(1.0, 2.0, 2.0, positions=Positions(1.0, 0.0)))
    assert math.isclose(found.mean, 4 / 3)
    assert math.isclose(found.q, (4 * 2.0 + 12 * 1.0) / 9)


def test_power_pooling_of_gaussians() -> None:
    generator = torch.Generator().manual_seed(0)
    x = (0.4 + torch.randn(4_000, 3, 9, 9, generator=generator, dtype=torch.float64)).requires_grad_()
    y = functional.lp_pool2d(x, 2.0, 3, 2)
    upstream = torch.randn(y.shape, generator=generator, dtype=torch.float64)
    (gradient,) = torch.autograd.grad(y, x, upstream)
    rule = PowerPool(pool_layer("lp", 3, stride=2, power=2.0, size=9))
    signal = Signal(0.4, 1.16, 1.16, positions=Positions(0.16, 0.16))
    after = rule.forward(signal)
    for value, sample in (
        (after.mean, y.detach()),
        (after.q, y.detach().square()),
        (rule.backward(Gradient(1.0), signal).q, gradient.square()),
    ):
        by_image = sample.mean(dim=(1, 2, 3))
        assert abs(value - float(by_image.mean())) <= STANDARD_ERRORS * float(by_image.std()) / math.sqrt(len(by_image))
