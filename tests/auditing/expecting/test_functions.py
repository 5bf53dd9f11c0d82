"""Each function has the rule of the module that does the same; what has none says why."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional

from propstats.auditing.expecting.network import Step, place_of_input, steps_of
from propstats.auditing.measuring.probe import probe
from propstats.estimate import Gradient, Positions, Signal
from propstats.rules.rule import Join


class _Calls(nn.Module):
    """A layer that tells where units are, then a function."""

    def __init__(self, function: Callable[..., Any], *, image: bool) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first: nn.Module = nn.Conv2d(6, 6, 1) if image else nn.Linear(6, 6)
        self.weight = nn.Parameter(torch.randn(6, 6))
        self.filters = nn.Parameter(torch.randn(6, 6, 3, 3))
        self.scale = nn.Parameter(torch.randn(6))
        self.function = function

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = self.function(self, self.first(x))
        return result


def _step(function: Callable[..., Any], *, image: bool = False, module: nn.Module | None = None) -> Step:
    model = _Calls(function, image=image)
    model.last = module or nn.Identity()
    x = torch.randn(5, 6, 8, 8) if image else torch.randn(5, 4, 6)
    found = probe(model, x)
    steps = steps_of(found.calls, tuple(x.shape[1:]))
    assert place_of_input(found.calls, tuple(x.shape[1:])).units == 6
    return steps[-1]


_SIGNAL = Signal(0.3, 1.2, 0.7, positions=Positions(0.6, 0.4))
_IMAGES: dict[str, tuple[Callable[..., Any], Callable[[_Calls], nn.Module]]] = {
    "relu": (lambda m, x: functional.relu(x), lambda m: nn.ReLU()),
    "in place": (lambda m, x: x.mul(1.0).relu_(), lambda m: nn.ReLU()),
    "leaky_relu": (lambda m, x: functional.leaky_relu(x, 0.2), lambda m: nn.LeakyReLU(0.2)),
    "method": (lambda m, x: x.tanh(), lambda m: nn.Tanh()),
    "max_pool2d": (lambda m, x: functional.max_pool2d(x, 3, 2, 1), lambda m: nn.MaxPool2d(3, 2, 1)),
    "avg_pool2d": (
        lambda m, x: functional.avg_pool2d(x, 3, stride=2, ceil_mode=True),
        lambda m: nn.AvgPool2d(3, 2, ceil_mode=True),
    ),
    "adaptive": (lambda m, x: functional.adaptive_avg_pool2d(x, (3, 2)), lambda m: nn.AdaptiveAvgPool2d((3, 2))),
    "mean": (lambda m, x: x.mean((2, 3), keepdim=True), lambda m: nn.AdaptiveAvgPool2d(1)),
    "amax": (lambda m, x: x.amax(dim=(-2, -1), keepdim=True), lambda m: nn.AdaptiveMaxPool2d(1)),
    "conv2d": (
        lambda m, x: functional.conv2d(x, m.filters, None, 2, 1),
        lambda m: _with(nn.Conv2d(6, 6, 3, 2, 1, bias=False), m.filters),
    ),
    "conv_transpose2d": (
        lambda m, x: functional.conv_transpose2d(x, m.filters, None, 2, 1),
        lambda m: _with(nn.ConvTranspose2d(6, 6, 3, 2, 1, bias=False), m.filters),
    ),
    "group_norm": (lambda m, x: functional.group_norm(x, 3), lambda m: nn.GroupNorm(3, 6)),
    "dropout": (lambda m, x: functional.dropout(x, 0.5, training=False), lambda m: nn.Identity()),
    "flatten": (lambda m, x: x.flatten(1), lambda m: nn.Flatten()),
}


def _with(module: nn.Module, weight: torch.Tensor) -> nn.Module:
    module.weight = nn.Parameter(weight.detach())
    return module


@pytest.mark.parametrize("name", _IMAGES)
def test_a_function_is_its_module(name: str) -> None:
    function, make = _IMAGES[name]
    one = _step(function, image=True)
    module = make(_Calls(function, image=True))
    two = _step(lambda m, x: m.last(x), image=True, module=module)
    assert one.rule is not None, one.reason
    assert two.rule is not None, two.reason
    assert not isinstance(one.rule, Join)
    assert not isinstance(two.rule, Join)
    assert one.places == two.places
    assert one.rule.forward(_SIGNAL) == two.rule.forward(_SIGNAL)
    gradient = Gradient(1.0, positions=0.2)
    assert one.rule.backward(gradient, _SIGNAL) == two.rule.backward(gradient, _SIGNAL)


@pytest.mark.parametrize(
    ("function", "q"),
    [
        (lambda m, x: 2.0 * x, 4.8),
        (lambda m, x: x - 0.3, 1.2 - 2 * 0.09 + 0.09),
        (lambda m, x: 1.0 - x, 1.2 - 0.6 + 1.0),
        (lambda m, x: x / 2, 0.3),
        (lambda m, x: -x, 1.2),
        (lambda m, x: x + x.clone(), 2 * 1.2 + 2 * 0.09),
        (lambda m, x: x * x.clone(), 1.44),
        (lambda m, x: x.clamp(min=-100), 1.2),
    ],
)
def test_arithmetic(function: Callable[..., Any], q: float) -> None:
    step = _step(function)
    assert step.rule is not None, step.reason
    after = step.rule.join([_SIGNAL, _SIGNAL]) if isinstance(step.rule, Join) else step.rule.forward(_SIGNAL)
    assert after.q == pytest.approx(q, rel=1e-9)


@pytest.mark.parametrize(
    ("function", "word"),
    [
        (lambda m, x: x.softmax(-1), "softmax"),
        (lambda m, x: x[:, 0], "some of the positions"),
        (lambda m, x: x.mean(-1), "over units"),
        (lambda m, x: x.cumsum(1), "cumsum"),
        (lambda m, x: x.transpose(1, 2) @ x, "sums over positions"),
        (
            lambda m, x: functional.scaled_dot_product_attention(x, x, x, attn_mask=m.weight[:4, :4]),
            "bias for each pair",
        ),
    ],
)
def test_what_has_no_rule_says_why(function: Callable[..., Any], word: str) -> None:
    step = _step(function)
    assert step.rule is None
    assert word in (step.reason or "")
