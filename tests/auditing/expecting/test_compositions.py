"""Activations that a network writes out have the moments of the function that they are."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import nn

from propstats.auditing.audit import audit
from propstats.auditing.records import Layer


def _tanh_gelu(x: torch.Tensor) -> torch.Tensor:
    return 0.5 * x * (1.0 + torch.tanh(math.sqrt(2.0 / math.pi) * (x + 0.044715 * torch.pow(x, 3.0))))


def _quick_gelu(x: torch.Tensor) -> torch.Tensor:
    return x * torch.sigmoid(1.702 * x)


def _radial(x: torch.Tensor) -> torch.Tensor:
    return torch.exp(-((x / 0.8) ** 2))


class _Written(nn.Module):
    def __init__(self, function: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first, self.last, self.function = nn.Linear(64, 256), nn.Linear(256, 64), function
        nn.init.normal_(self.first.weight, std=1 / 8)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.last(self.function(self.first(x)))
        return out


def _layers(function: Callable[[torch.Tensor], torch.Tensor]) -> list[Layer]:
    data = torch.randn(256, 64, generator=torch.Generator().manual_seed(1))
    report = audit(_Written(function), data)
    assert not report.findings
    assert not report.coverage.skipped
    return list(report.layers)


@pytest.mark.parametrize(
    ("function", "module"),
    [
        (_tanh_gelu, nn.GELU(approximate="tanh")),
        (lambda x: x * torch.sigmoid(x), nn.SiLU()),
        (lambda x: torch.relu(x) - 0.1 * torch.relu(-x), nn.LeakyReLU(0.1)),
    ],
)
def test_a_function_that_is_written_out_is_its_module(
    function: Callable[[torch.Tensor], torch.Tensor], module: nn.Module
) -> None:
    written, whole = _layers(function), _layers(module)
    one, two = written[-2].one_step, whole[-2].one_step
    assert one is not None
    assert two is not None
    assert (one.q, one.mean) == pytest.approx((two.q, two.mean), rel=1e-6)


@pytest.mark.parametrize("function", [_tanh_gelu, _quick_gelu, _radial, lambda x: x * x, lambda x: torch.relu(x) ** 2])
def test_no_part_of_it_departs(function: Callable[[torch.Tensor], torch.Tensor]) -> None:
    assert {layer.verdict for layer in _layers(function)} == {"ok"}


def test_a_square_has_the_fourth_moment() -> None:
    """`E[x^4] = 3 E[x^2]^2`, not the `E[x^2]^2` of independent factors."""
    first, square, _ = _layers(lambda x: x * x)
    assert square.one_step is not None
    assert square.one_step.q == pytest.approx(3.0 * first.forward.q.value**2, rel=1e-6)


def test_factors_of_weights_of_their_own_stay_independent() -> None:
    class Gate(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.one, self.two = nn.Linear(64, 256), nn.Linear(64, 256)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            out: torch.Tensor = torch.sigmoid(self.one(x)) * self.two(x)
            return out

    report = audit(Gate(), torch.randn(256, 64, generator=torch.Generator().manual_seed(1)))
    by_name = {layer.name: layer for layer in report.layers}
    sigmoid, other, product = (by_name[name] for name in ("sigmoid", "two", "mul"))
    assert product.one_step is not None
    assert product.one_step.q == pytest.approx(sigmoid.forward.q.value * other.forward.q.value)
    assert sigmoid.one_step is not None
    assert sigmoid.one_step.gradient_input is not None  # what comes back is independent of what it received
