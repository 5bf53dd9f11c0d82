"""Scales of gradients: what they do, where they are refused, and that the dilemma is gone on chains."""

import math

import pytest
import torch
from torch import nn

from propstats.errors import DomainError, ModelError
from propstats.nn import NormPropLinear, ScaleGradient, check_gradient_scales, separate_scales
from propstats.nn.gradient import jacobian_factor
from propstats.theory.unit import moments


class _Branches(nn.Module):
    """`a(x) + b(x)`."""

    def __init__(self, first: nn.Module, second: nn.Module) -> None:
        super().__init__()
        self.first, self.second = first, second

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.add(self.first(x), self.second(x))


def test_only_the_gradient_is_scaled() -> None:
    x = torch.randn(3, dtype=torch.double, requires_grad=True)
    scaled = ScaleGradient(0.25)
    assert torch.equal(scaled(x), x)
    (gradient,) = torch.autograd.grad(scaled(x).square().sum(), x)
    assert torch.equal(gradient, 0.5 * x)
    for factor in (0.0, -1.0, math.inf, math.nan):
        with pytest.raises(DomainError, match="positive number"):
            ScaleGradient(factor)


def test_the_factor_is_that_of_the_engine() -> None:
    for name in ("relu", "tanh", "gelu"):
        exact = moments(name, samples=0, digits=None).scales.jacobian_factor.value
        assert jacobian_factor(NormPropLinear(2, 2, activation=name, gamma=1.0)) == pytest.approx(exact, rel=1e-12)
        matched = NormPropLinear(2, 2, activation=name, constants="matched", gamma=1.0, beta=1.0)
        exact = moments(name, mean=1.0, samples=0, digits=None).scales.jacobian_factor.value
        assert jacobian_factor(matched) == pytest.approx(exact, rel=1e-8)
    # A rectifier has no scale: the paper's gamma is exact. Others see another signal with it.
    for name in ("relu", "prelu"):
        assert jacobian_factor(NormPropLinear(2, 2, activation=name)) == pytest.approx(1.0, rel=1e-6)
    learned = NormPropLinear(2, 2, activation=nn.PReLU(2), gamma=1.0)
    exact = moments("prelu", samples=0, digits=None).scales.jacobian_factor.value
    assert jacobian_factor(learned) == pytest.approx(exact, rel=1e-6)


def test_a_chain_keeps_its_gradients_and_its_signal() -> None:
    generator = torch.Generator().manual_seed(0)
    chain = nn.Sequential(*(NormPropLinear(128, 128, gamma=1.0, generator=generator) for _ in range(6))).double()
    scaled = separate_scales(chain)
    x = torch.randn(256, 128, generator=generator, dtype=torch.double, requires_grad=True)
    assert torch.equal(chain(x), scaled(x))
    plain, own = (torch.autograd.grad(model(x), x, torch.ones_like(x))[0] for model in (chain, scaled))
    factor = moments("relu", samples=0, digits=None).scales.jacobian_factor.value ** 6
    torch.testing.assert_close(own * factor, plain, rtol=1e-10, atol=1e-12)


def test_parts_that_are_applied_twice_are_scaled_once_each() -> None:
    inside = nn.Sequential(NormPropLinear(4, 4, gamma=1.0), nn.Tanh())
    scaled = separate_scales(nn.Sequential(inside, inside))
    assert len({part for part in scaled.modules() if isinstance(part, ScaleGradient)}) == 1
    assert str(scaled).count("ScaleGradient") == 2


def test_branches_must_agree() -> None:
    half, quarter = ScaleGradient(0.5), ScaleGradient(0.25)
    check_gradient_scales(nn.Sequential(nn.Linear(2, 2), half, _Branches(nn.Linear(2, 2), nn.Tanh()), quarter))
    check_gradient_scales(_Branches(nn.Sequential(half, nn.Tanh()), half))
    check_gradient_scales(_Branches(nn.Sequential(half, nn.Tanh(), ScaleGradient(0.5)), quarter))
    with pytest.raises(ModelError, match=r"gradients of x come back .* 0\.5 through .*, 1 through second") as caught:
        check_gradient_scales(_Branches(nn.Sequential(half, nn.Linear(2, 2)), nn.Identity()))
    assert "\n" not in str(caught.value)
    with pytest.raises(ModelError, match="different factors"):
        separate_scales(_Branches(nn.Identity(), NormPropLinear(3, 3, gamma=1.0)))
    with pytest.raises(ModelError, match="step has the Jacobian factor 0"):
        separate_scales(NormPropLinear(3, 3, activation="step", gamma=1.0))
    separate_scales(_Branches(NormPropLinear(3, 3, gamma=1.0), NormPropLinear(3, 3, gamma=1.0)))


class _Undecided(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.scale = ScaleGradient(0.5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.scale(x) if x.sum() > 0 else x


def test_what_cannot_be_traced_is_refused() -> None:
    with pytest.raises(ModelError, match="_Undecided cannot be traced"):
        check_gradient_scales(_Undecided())
