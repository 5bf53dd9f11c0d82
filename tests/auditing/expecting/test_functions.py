"""Each function has the rule of the module that does the same; what has none says why."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional

from propstats.auditing.expecting.expect import measured_signal
from propstats.auditing.expecting.network import Step, place_of_input, steps_of
from propstats.auditing.expecting.places import Place
from propstats.auditing.probing import probe
from propstats.rules.affine import Unchanged
from propstats.rules.dense import Weights
from propstats.rules.norm import GroupNorm, Scale
from propstats.rules.parts import Part, Selected
from propstats.rules.resampling import Resampling, resample
from propstats.rules.rule import Join
from propstats.signals import Gradient, Positions, Signal


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
    "interpolate": (
        lambda m, x: functional.interpolate(x, scale_factor=1.5, mode="bilinear"),
        lambda m: nn.Upsample(scale_factor=1.5, mode="bilinear"),
    ),
    "interpolate to a size": (
        lambda m, x: functional.interpolate(x, (12, 5), mode="bicubic", align_corners=True),
        lambda m: nn.Upsample((12, 5), mode="bicubic", align_corners=True),
    ),
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
        (lambda m, x: x.mean(-1), "over units"),
        (lambda m, x: x.cumsum(1), "cumsum"),
        (lambda m, x: x.transpose(1, 2) @ x, "sums over positions"),
        (lambda m, x: x @ x.flatten(1).t()[:6], "across the batch"),
        (
            lambda m, x: functional.scaled_dot_product_attention(x, x, x, attn_mask=x @ x.transpose(1, 2)),
            "depends on the signal",
        ),
    ],
)
def test_what_has_no_rule_says_why(function: Callable[..., Any], word: str) -> None:
    step = _step(function)
    assert step.rule is None
    assert word in (step.reason or "")


@pytest.mark.parametrize("mode", ["nearest", "bilinear", "bicubic", "area"])
def test_resampling_is_a_linear_map(mode: str) -> None:
    """Mean products of what comes out, and of gradients, from the whole matrix of torch's function."""
    sizes, to = (3, 4), (5, 9)
    basis = torch.eye(12, dtype=torch.float64).reshape(1, 12, *sizes)
    options = {"align_corners": False} if mode in ("bilinear", "bicubic") else {}
    matrix = functional.interpolate(basis, to, mode=mode, **options).reshape(12, -1).T  # (outputs, inputs)
    rule, after = resample(sizes, Resampling(mode, size=to))
    assert after == to

    def products(weights: torch.Tensor, at_one: float, at_two: float) -> tuple[float, float]:
        given = at_two + (at_one - at_two) * torch.eye(weights.shape[1], dtype=torch.float64)
        covariance = weights @ given @ weights.T
        count = len(covariance)
        own = float(covariance.trace())
        return own / count, (float(covariance.sum()) - own) / (count * (count - 1))

    positions = _SIGNAL.positions
    assert positions is not None
    signal, gradient = rule.forward(_SIGNAL), rule.backward(Gradient(1.3, positions=0.4), _SIGNAL)
    assert signal.positions is not None
    assert (signal.q, signal.positions.same) == pytest.approx(products(matrix, _SIGNAL.q, positions.same))
    assert signal.q - signal.var == pytest.approx(products(matrix, _SIGNAL.overlap, positions.other)[0])
    assert (gradient.q, gradient.positions) == pytest.approx(products(matrix.T, 1.3, 0.4))


@pytest.mark.parametrize(
    ("select", "share"),
    [
        (lambda m, x: x[:, 0], 0.25),
        (lambda m, x: x[:, -1:], 0.25),
        (lambda m, x: x[:, [-1], :], 0.25),
        (lambda m, x: x.select(1, 2), 0.25),
        (lambda m, x: x.narrow(1, 1, 2), 0.5),
        (lambda m, x: x[:, 1:, :], 0.75),
    ],
)
def test_positions_that_are_taken_are_as_they_were_measured(select: Callable[..., Any], share: float) -> None:
    """The first token is ten times as large as the others."""

    def function(m: nn.Module, x: torch.Tensor) -> Any:
        return select(m, torch.cat([10.0 * x[:, :1], x[:, 1:]], dim=1))

    model = _Calls(function, image=False)
    found = probe(model, torch.randn(5, 4, 6))
    step, call = steps_of(found.calls, (4, 6))[-1], found.calls[-1]
    assert isinstance(step.rule, Selected)
    before, after = measured_signal(call.inputs[0]), measured_signal(call.output)
    assert before is not None
    assert after is not None
    theory = step.rule.forward(before)
    assert (theory.mean, theory.q, theory.var) == pytest.approx((after.mean, after.q, after.var))
    assert step.rule.backward(Gradient(1.0), before).q == share
    assert step.places[0].units == 6


def test_units_of_the_data_are_as_they_were_measured() -> None:
    """Coordinates and directions beside each other have nothing in common."""

    class Parts(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.last = nn.Linear(3, 4)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            out: torch.Tensor = self.last(x[:, :3])
            return out

    found = probe(Parts(), torch.randn(50, 6) * torch.tensor([1.0, 2.0, 3.0, 10.0, 10.0, 10.0]))
    step, before, after = steps_of(found.calls, (6,))[0], measured_signal(found.inputs), found.calls[0].output
    assert isinstance(step.rule, Selected)
    assert before is not None
    assert step.rule.forward(before).q == pytest.approx(after.q)


def test_a_signal_that_is_repeated_to_meet_constants() -> None:
    """Each unit meets a grid of six numbers: what comes back is the sum of six gradients."""
    step = _step(lambda m, x: x[:, 0, :, None] - torch.linspace(-1.0, 1.0, 6))
    assert step.rule is not None
    assert not isinstance(step.rule, Join)
    assert step.rule.backward(Gradient(1.0), _SIGNAL).q == pytest.approx(6.0)
    assert (step.places[0].units, step.places[0].count) == (6, 6)


@pytest.mark.parametrize("dim", [1, 2, -1])
def test_signals_that_are_stacked(dim: int) -> None:
    step = _step(lambda m, x: torch.stack([x, 2.0 * x], dim=dim))
    assert isinstance(step.rule, Join)
    assert step.rule.join([_SIGNAL, _SIGNAL]).q == pytest.approx(_SIGNAL.q)
    assert (step.places[0].units, step.places[0].count) == (6, 8)


def test_vectors_of_length_one() -> None:
    step = _step(lambda m, x: functional.normalize(x, dim=-1))
    assert step.rule is not None
    assert not isinstance(step.rule, Join)
    assert step.rule.forward(_SIGNAL).q == pytest.approx(1 / 6)


def test_units_that_are_taken_are_like_the_rest() -> None:
    for select in (lambda m, x: x[..., :3], lambda m, x: x[:, :, 1:4]):
        step = _step(select)
        assert isinstance(step.rule, Part)
        assert (step.rule.share, step.places[0].units, step.places[0].count) == (0.5, 3, 4)


def test_an_added_axis_holds_nothing() -> None:
    step = _step(lambda m, x: x[:, None])
    assert isinstance(step.rule, Unchanged)
    assert step.places[0] == Place((1, 4, 6), frozenset([2]))


@pytest.mark.parametrize(
    ("function", "eps"),
    [
        (lambda m, x: x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-3), 1e-3),
        (lambda m, x: torch.rsqrt(x.square().mean(dim=-1, keepdim=True)) * x, 0.0),
        (lambda m, x: x / torch.sqrt((x * x).mean(-1, keepdim=True) + 1e-6), 1e-6),
    ],
)
def test_a_norm_that_is_written_out(function: Callable[..., Any], eps: float) -> None:
    step = _step(function)
    assert step.rule == GroupNorm(6, 1, Scale(), eps, centred=False)


def test_matrices_that_are_multiplied_and_added_to() -> None:
    """As a linear layer, also of the tokens of all samples one after the other."""
    one = _step(lambda m, x: torch.addmm(m.scale, x.view(-1, 6), m.weight)).rule
    two = _step(lambda m, x: functional.linear(x, m.weight.T.contiguous(), m.scale)).rule
    assert isinstance(one, Weights)
    assert isinstance(two, Weights)
    # Sums of the same numbers in another order.
    assert one.forward(_SIGNAL).q == pytest.approx(two.forward(_SIGNAL).q, rel=1e-12)
