"""Activations from torch, against torch."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812 - torch's own abbreviation

from propstats.activations import activation
from propstats.activations.conversion.from_torch import from_torch
from propstats.activations.conversion.torch_modules import ELEMENTWISE_MODULES
from propstats.errors import ExpressionError

_X = torch.linspace(-9.03, 9.01, 201, dtype=torch.float64)
_EPS = 2.0**-52


class _Gated(nn.Module):
    """A module of one's own, with a constant and a submodule."""

    def __init__(self) -> None:
        super().__init__()
        self.scale, self.act = 1.5, nn.ELU(0.5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        gate: torch.Tensor = self.act(x) * torch.sigmoid(self.scale * x)
        return gate


_FUNCTIONS: list[Callable[[torch.Tensor], torch.Tensor]] = [
    torch.tanh,
    F.relu,
    F.silu,
    F.softplus,
    lambda x: x * torch.tanh(x),
    lambda x: torch.where(x > 0, x, 0.25 * x),
    lambda x: x.clamp(-1, 2),
    lambda x: torch.maximum(x, 0 * x) ** 2,
    lambda x: F.hardtanh(x, -0.5, 0.75) + 1,
    lambda x: x / (1 + x.abs()),
    lambda x: torch.erf(x / math.sqrt(2)) * x,
    lambda x: F.leaky_relu(x, negative_slope=0.2),
    lambda x: -x.neg().exp().add(1).reciprocal(),
    lambda x: torch.sqrt(x * x + 1) - 1,
    nn.Sequential(nn.Tanh(), nn.Dropout(0.5), nn.Softshrink(0.25)),
    _Gated(),
]


@pytest.mark.parametrize("function", _FUNCTIONS, ids=range(len(_FUNCTIONS)))
def test_the_same_function(function: Callable[[torch.Tensor], torch.Tensor]) -> None:
    found = from_torch(function)
    with torch.no_grad():
        expected = (function.eval() if isinstance(function, nn.Module) else function)(_X)
    # Forms are rewritten, with some twenty roundings of terms no larger than 1 + x^2.
    assert bool(((found(_X) - expected).abs() <= 64 * _EPS * (1 + _X * _X)).all())


@pytest.mark.parametrize("kind", ELEMENTWISE_MODULES)
def test_every_elementwise_module(kind: str) -> None:
    arguments = {"Threshold": (0.5, -1.0)}.get(kind, ())
    module = getattr(nn, kind)(*arguments).double().eval()
    with torch.no_grad():
        gap = (from_torch(module)(_X) - module(_X)).abs()
    assert bool((gap <= 64 * _EPS * (1 + _X * _X)).all())


def test_names() -> None:
    assert from_torch(torch.tanh).name == "tanh"
    assert from_torch(lambda x: x * torch.tanh(x)).name == "x*tanh(x)"
    assert from_torch(_Gated()).name == "_Gated"
    assert from_torch(torch.tanh, "mine").name == "mine"


def test_the_registry_takes_them() -> None:
    assert activation(nn.PReLU(1, 0.375)).params == {"a": 0.375}
    assert activation(nn.GELU("tanh")).name == "gelu_tanh"


def _branches(x: torch.Tensor) -> torch.Tensor:
    return x if x.sum() > 0 else -x


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (_branches, "decides in Python"),
        (lambda x: torch.cumsum(x, 0), "cumsum"),
        (lambda x: x.mean(), "mean"),
        (lambda x: torch.lgamma(x), "lgamma"),
        (lambda x: x + torch.ones(3), "a tensor of shape"),
        (lambda x: torch.log(x), "has no value at"),
        (lambda x: 0 * x + 1, "does not contain x|1"),
        (nn.PReLU(4), "slope per channel"),
        (nn.Linear(3, 3), "Linear"),
        (nn.LayerNorm(3), "LayerNorm"),
        (lambda: 1, "cannot follow"),
    ],
    ids=range(11),
)
def test_refused_in_one_line(function: Callable[..., torch.Tensor], message: str) -> None:
    with pytest.raises(ExpressionError, match=message) as caught:
        from_torch(function)
    assert len(str(caught.value).splitlines()) == 1


def test_a_module_is_left_as_it_was() -> None:
    module = nn.Sequential(nn.PReLU(), nn.Dropout(0.5))
    from_torch(module)
    assert module.training
    assert next(module.parameters()).dtype == torch.float32


def test_a_wrong_translation_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """A planted fault: the tanh of the translation is a sine."""
    from propstats.activations.conversion import torch_operations
    from propstats.activations.expression import Call

    def wrong(name: str, args: list[Any], named: dict[str, Any]) -> Any:
        return Call("sin", tuple(args)) if name == "tanh" else torch_operations.apply(name, args, named)

    monkeypatch.setattr("propstats.activations.conversion.from_torch.apply", wrong)
    with pytest.raises(ExpressionError, match="the function gives"):
        from_torch(lambda x: torch.tanh(x) + x)
