"""Norms of groups against brute force: many Gaussian groups, with torch's own layers and autograd."""

import math

import pytest
import torch
from torch.nn import functional

from propstats.estimate import STANDARD_ERRORS
from propstats.rules.batch_norm import BatchNorm
from propstats.rules.norm import GroupNorm, Scale, mean_inverse, mean_square, projected
from propstats.signals import Gradient, Positions, Signal


def _close(theory: float, sample: torch.Tensor, order: float) -> None:
    error = float(sample.std()) / math.sqrt(len(sample))
    assert abs(theory - float(sample.mean())) <= STANDARD_ERRORS * error + order * abs(theory)


@pytest.mark.parametrize(("units", "positions", "mean", "r"), [(24, 1, 0.7, 0.0), (6, 9, 0.5, 0.4), (1, 36, 0.0, 0.3)])
def test_groups(units: int, positions: int, mean: float, r: float) -> None:
    torch.manual_seed(0)
    groups, c = 20_000, 0.5
    # Two inputs of correlation c, positions of correlation r, for every unit.
    shared, own = torch.randn(groups, 1, units, 1), torch.randn(groups, 2, units, 1)
    each, both = torch.randn(groups, 2, units, positions), torch.randn(groups, 1, units, positions)
    x = math.sqrt(r) * (math.sqrt(c) * shared + math.sqrt(1 - c) * own)
    x = (mean + x + math.sqrt(1 - r) * (math.sqrt(c) * both + math.sqrt(1 - c) * each)).requires_grad_()
    y = functional.group_norm(x.flatten(0, 1), 1, eps=0.0).reshape(x.shape)
    upstream = torch.randn_like(y)
    (gradient,) = torch.autograd.grad(y, x, upstream)
    fresh = math.sqrt((2 + 4 * mean**2) / units) / (1 + mean**2)
    pairs = Positions(mean**2 + r, mean**2 + r * c) if positions > 1 else None
    signal = Signal(mean, mean**2 + 1, 1 - c, fresh, pairs, units, fresh)
    rule = GroupNorm(units, positions, Scale(), 0.0)
    after, back = rule.forward(signal), rule.backward(Gradient(1.0), signal)
    n = units * positions
    y = y.detach()
    _close(after.q, y.square().flatten(1).mean(dim=1), 1e-5)
    _close(after.var, (y[:, 0] - y[:, 1]).square().flatten(1).mean(dim=1) / 2, 4 / n**2)
    # The mean of an inverse, of the gamma distribution instead of the true one: second order.
    _close(back.q, gradient.square().flatten(1).mean(dim=1), 16 / n**2)


def test_batch_norm_of_a_small_batch() -> None:
    torch.manual_seed(0)
    units, batch = 40_000, 12
    x = (torch.randn(1, units) + torch.randn(batch, units)).requires_grad_()
    y = functional.batch_norm(x, None, None, training=True, eps=1e-12)
    (gradient,) = torch.autograd.grad(y, x, torch.randn_like(y))
    rule, signal = BatchNorm(Scale(), 0.0, batch=batch), Signal(0.0, 2.0, 1.0)
    _close(rule.forward(signal).var, y.detach().var(dim=0), 1e-5)
    _close(rule.backward(Gradient(1.0), signal).q, gradient.square().mean(dim=0), 0.0)


def test_projection_takes_two_directions() -> None:
    found = projected(Gradient(1.0), 4.0, constant=1.0, along=1.0, alike=0.0, units=10, positions=1, error=0.0)
    assert math.isclose(found.q, 4.0 * 0.8)


def test_parts() -> None:
    assert mean_square(2.0, 2.0, 5, 7) == 0.4  # positions that are all alike
    assert mean_inverse(0.9) == 0.5
