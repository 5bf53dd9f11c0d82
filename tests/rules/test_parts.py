"""Parts, repeats, scales by unit, constants beside a signal, products: against the algebra on samples."""

import math

import torch
from torch.nn import functional

from propstats.estimate import STANDARD_ERRORS
from propstats.rules.parts import Beside, Part, PerUnit, Repeat, Turned
from propstats.rules.product import Inner, Product
from propstats.signals import Gradient, Positions, Signal


def _close(value: float, sample: torch.Tensor) -> None:
    error = float(sample.std()) / math.sqrt(sample.numel())
    assert abs(value - float(sample.mean())) <= STANDARD_ERRORS * error + 1e-12, (value, float(sample.mean()), error)


def _normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_scales_and_shifts_by_unit() -> None:
    draws, units = 400, 50
    w, b = 1.0 + 0.5 * _normal(draws, 1, units, seed=1), 0.2 + 0.3 * _normal(draws, 1, units, seed=2)
    common = 0.4 + 0.8 * _normal(draws, 1, units, seed=3)
    x = common + 0.6 * _normal(draws, 2, units, seed=4)
    y = w * x + b
    after = PerUnit(1.0, 1.25, 0.2, 0.13).forward(Signal(0.4, 0.16 + 0.64 + 0.36, 0.36))
    _close(after.mean, y.mean(dim=(1, 2)))
    _close(after.q, y.square().mean(dim=(1, 2)))
    _close(after.var, y.diff(dim=1).square().mean(dim=(1, 2)) / 2)
    _close(PerUnit(1.0, 1.25).backward(Gradient(1.0), Signal(0.0, 1.0, 1.0)).q, w.square().mean(dim=(1, 2)))


def test_zeros_around_an_image() -> None:
    x = 0.3 + _normal(3_000, 1, 4, 4)
    y = functional.pad(x, (1, 1, 1, 1))
    signal = Signal(0.3, 1.09, 1.0, positions=Positions(0.09, 0.09))
    after = Beside(16 / 36, 0.0, 0.0).forward(signal)
    _close(after.mean, y.mean(dim=(1, 2, 3)))
    _close(after.q, y.square().mean(dim=(1, 2, 3)))


def test_repeats_send_back_the_sum() -> None:
    x = _normal(2_000, 1, 3, 3).requires_grad_()
    y = functional.interpolate(x, scale_factor=2)
    upstream = math.sqrt(0.3) * _normal(2_000, 1, 1, 1, seed=1) + math.sqrt(0.7) * _normal(*y.shape, seed=2)
    (gradient,) = torch.autograd.grad(y, x, upstream)
    back = Repeat(4).backward(Gradient(1.0, positions=0.3), Signal(0.0, 1.0, 1.0))
    _close(back.q, gradient.square().mean(dim=(1, 2, 3)))
    _close(back.positions, gradient[:, 0, 0, 0] * gradient[:, 0, 2, 2])


def test_a_part_sends_back_its_share() -> None:
    assert Part(0.5).backward(Gradient(3.0), Signal(0.0, 1.0, 1.0)).q == 1.5
    alike = Signal(0.5, 1.0, 0.5, positions=Positions(0.6, 0.5))
    assert Part(0.5, positions=False).forward(alike).positions is None


def test_tokens_that_are_mixed() -> None:
    found = Turned().forward(Signal(0.5, 1.0, 0.5, positions=Positions(0.9, 0.5)))
    assert found.positions == Positions(0.25, 0.25)


def test_a_product_of_two_signals() -> None:
    draws, units = 500, 40
    parts = []
    for seed in (1, 2):
        common = 0.3 + 0.7 * _normal(draws, 1, units, seed=seed)
        parts.append((common + 0.5 * _normal(draws, 2, units, seed=seed + 10)).requires_grad_())
    y = parts[0] * parts[1]
    gradient = torch.autograd.grad(y, parts[0], _normal(*y.shape, seed=5))[0]
    signal, y = Signal(0.3, 0.09 + 0.49 + 0.25, 0.25), y.detach()
    after = Product().join([signal, signal])
    _close(after.mean, y.mean(dim=(1, 2)))
    _close(after.q, y.square().mean(dim=(1, 2)))
    _close(after.var, y.diff(dim=1).square().mean(dim=(1, 2)) / 2)
    _close(Product().split(Gradient(1.0), [signal, signal])[0].q, gradient.square().mean(dim=(1, 2)))


def test_inner_products_over_units() -> None:
    draws, left, right, terms = 2_000, 3, 5, 16
    x, z = (0.2 + _normal(draws, left, terms, seed=1)).requires_grad_(), 0.4 + _normal(draws, right, terms, seed=2)
    y = x @ z.transpose(1, 2)
    (gradient,) = torch.autograd.grad(y, x, _normal(*y.shape, seed=3))
    rule, signals = Inner(terms, left, right), [Signal(0.2, 1.04, 1.0), Signal(0.4, 1.16, 1.0)]
    after = rule.join(signals)
    _close(after.mean, y.detach().mean(dim=(1, 2)))
    _close(after.q, y.detach().square().mean(dim=(1, 2)))
    _close(rule.split(Gradient(1.0), signals)[0].q, gradient.square().mean(dim=(1, 2)))
