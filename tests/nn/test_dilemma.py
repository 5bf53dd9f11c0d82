"""Canonical forwards and isometric backwards, fifty layers deep: what neither gamma of the paper can do."""

import math
from typing import Any

import pytest
import torch
from torch import nn

from propstats.estimate import STANDARD_ERRORS, Estimate
from propstats.nn import NormPropLinear, separate_scales
from propstats.simulation.averages import mean_of
from propstats.theory.unit import moments

_WIDTH, _INPUTS, _DRAWS = 512, 64, 20
_MATCHED: dict[str, Any] = {"constants": "matched", "gamma": 1.0, "beta": 1.0}


def _simulated(depth: int, *, separate: bool, draws: int = _DRAWS, **options: Any) -> tuple[Estimate, Estimate]:
    """Return the second moment of the signal and the mean squared singular value of the Jacobian, over draws."""
    signals, gradients = [], []
    for draw in range(draws):
        generator = torch.Generator().manual_seed(1000 + draw)
        layers = [NormPropLinear(_WIDTH, _WIDTH, affine=False, generator=generator, **options) for _ in range(depth)]
        network: nn.Module = nn.Sequential(*layers)
        network = separate_scales(network) if separate else network
        x = torch.randn(_INPUTS, _WIDTH, generator=generator, requires_grad=True)
        y = network(x)
        # E |J^T v|^2 = tr(J J^T) for v ~ N(0, 1)
        (gradient,) = torch.autograd.grad(y, x, torch.randn(y.shape, generator=generator))
        gradients.append(float(gradient.double().square().mean()))
        signals.append(float(y.detach().double().square().mean()))
    return mean_of(torch.tensor(signals).double().numpy()), mean_of(torch.tensor(gradients).double().numpy())


def test_nine_layers_are_canonical_both_ways_with_separate_scales() -> None:
    signal, square = _simulated(9, separate=True, draws=4, **_MATCHED)
    assert abs(signal.value - 1.0) <= 0.05
    assert abs(square.value - 1.0) <= STANDARD_ERRORS * square.error


@pytest.mark.slow
@pytest.mark.parametrize("depth", [9, 50])
def test_a_bias_with_matched_constants_keeps_the_signal_where_the_paper_s_explodes(depth: int) -> None:
    signal, square = _simulated(depth, separate=False, **_MATCHED)
    assert abs(signal.value - 1.0) <= 0.05
    factor = moments("relu", mean=1.0, samples=0, digits=None).scales.jacobian_factor.value
    expected = factor ** (2 * depth)
    # Layer by layer the signal's second moment is off by at most what it is off by here, and J^2 moves with it.
    drift = math.expm1(depth * abs(signal.value - 1.0))
    assert abs(square.value - expected) <= STANDARD_ERRORS * square.error + drift * expected
    paper, _ = _simulated(depth, separate=False, gamma=1.0)
    assert abs(paper.value - 1.0) > 0.02 if depth == 9 else paper.value > 100.0


@pytest.mark.slow
@pytest.mark.parametrize("depth", [9, 50])
def test_with_separate_scales_gradients_stay_as_well(depth: int) -> None:
    signal, square = _simulated(depth, separate=True, **_MATCHED)
    assert abs(signal.value - 1.0) <= 0.05
    assert abs(square.value - 1.0) <= STANDARD_ERRORS * square.error


@pytest.mark.slow
def test_the_paper_s_gamma_keeps_gradients_and_lets_the_signal_shrink() -> None:
    signal, square = _simulated(50, separate=False)
    assert signal.value < 0.5
    assert abs(square.value - 1.0) <= STANDARD_ERRORS * square.error
