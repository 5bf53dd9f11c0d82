"""Every rule against real torch modules with random weights, over many draws of them."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn

from propstats.activations import activation_names
from propstats.estimate import STANDARD_ERRORS
from propstats.rules.affine import Unchanged
from propstats.rules.batch_norm import BatchNorm, RunningNorm
from propstats.rules.dense import Weights
from propstats.rules.elementwise import Elementwise
from propstats.rules.from_torch import NoRuleError, rule_for
from propstats.rules.norm import GroupNorm
from propstats.rules.rule import Rule
from propstats.signals import Gradient, Positions, Signal

_DRAWS = 300


def _within(samples: list[float], expected: list[float]) -> None:
    """The mean difference over draws is nothing, within its standard errors (and the rounding of float32)."""
    gaps = np.array(samples) - np.array(expected)
    error = float(gaps.std(ddof=1)) / math.sqrt(gaps.size)
    assert abs(float(gaps.mean())) <= STANDARD_ERRORS * error + 1e-6 * float(np.mean(np.abs(expected))), (
        float(gaps.mean()), error, float(np.mean(expected)),
    )  # fmt: skip


def _measure(x: torch.Tensor) -> Signal:
    """The signal of a batch: mean and second moment over everything, variance over the data by unit."""
    x = x.double()
    return Signal(float(x.mean()), float(x.square().mean()), float(x.var(dim=0, unbiased=False).mean()))


def _square(x: torch.Tensor) -> float:
    return float(x.double().square().mean())


def _note(numbers: dict[str, list[float]], signal: Signal, gradient: torch.Tensor | float) -> None:
    """Add a signal, and the mean square of a gradient, to what is compared in the end."""
    for key in ("mean", "q", "var"):
        numbers[key].append(getattr(signal, key))
    numbers["gradient"].append(_square(gradient) if isinstance(gradient, torch.Tensor) else gradient)


def _against_draws(
    build: Callable[[], nn.Module], shape: tuple[int, ...], *, offset: float = 0.4, draws: int = _DRAWS
) -> None:
    """Forward and backward of `build()`'s rule in the mean over draws of its weights, on inputs that share a part."""
    torch.manual_seed(0)
    measured: dict[str, list[float]] = {key: [] for key in ("mean", "q", "var", "gradient")}
    expected: dict[str, list[float]] = {key: [] for key in measured}
    for _ in range(draws):
        module = build().eval()
        x = (offset + torch.randn(1, *shape) + 0.7 * torch.randn(6, *shape)).requires_grad_()
        y = module(x)
        upstream = torch.randn_like(y)
        (gradient,) = torch.autograd.grad(y, x, upstream)
        rule, before = rule_for(module, shape), _measure(x.detach())
        after, found = rule.forward(before), _measure(y.detach())
        _note(measured, found, gradient)
        _note(expected, after, rule.backward(Gradient(_square(upstream)), before).q)
    for key in measured:
        _within(measured[key], expected[key])


def _linear(bias: bool) -> nn.Module:
    module = nn.Linear(20, 30, bias=bias)
    if bias:
        nn.init.normal_(module.bias, 0.2, 0.5)
    return module


@pytest.mark.parametrize("bias", [True, False])
def test_linear(bias: bool) -> None:
    _against_draws(lambda: _linear(bias), (20,))


def test_linear_on_positions() -> None:
    """A linear layer on the last axis of a sequence."""
    _against_draws(lambda: _linear(True), (5, 20))


_CONVOLUTIONS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "plain": (lambda: nn.Conv2d(4, 6, 3), (4, 7, 7)),
    "padding": (lambda: nn.Conv2d(4, 6, 3, padding=1, bias=False), (4, 6, 6)),
    "stride": (lambda: nn.Conv2d(4, 6, 3, stride=2, padding=1, bias=False), (4, 7, 7)),
    "dilation": (lambda: nn.Conv2d(4, 6, 3, dilation=2, padding=2, bias=False), (4, 7, 7)),
    "groups": (lambda: nn.Conv2d(4, 6, 3, groups=2, bias=False), (4, 7, 7)),
    "depthwise": (lambda: nn.Conv2d(8, 8, 3, groups=8, padding=1, bias=False), (8, 6, 6)),
    "oblong": (lambda: nn.Conv2d(3, 5, (3, 2), stride=(1, 3), padding=(2, 0), bias=False), (3, 6, 8)),
    "one dimension": (lambda: nn.Conv1d(3, 5, 4, stride=2, padding=1), (3, 11)),
    "same": (lambda: nn.Conv2d(4, 6, (3, 5), padding="same", bias=False), (4, 6, 6)),
    "circular": (lambda: nn.Conv2d(4, 6, 3, padding=1, padding_mode="circular", bias=False), (4, 6, 6)),
    "reflect": (lambda: nn.Conv2d(4, 6, 3, stride=2, padding=2, padding_mode="reflect", bias=False), (4, 6, 7)),
    "replicate": (lambda: nn.Conv2d(4, 6, 3, padding=1, padding_mode="replicate", bias=False), (4, 6, 6)),
    "three dimensions": (lambda: nn.Conv3d(2, 4, 2, padding=1, bias=False), (2, 3, 4, 3)),
}


@pytest.mark.parametrize("name", _CONVOLUTIONS)
def test_convolution(name: str) -> None:
    build, shape = _CONVOLUTIONS[name]
    # A mean would correlate neighbouring terms of a draw, not their average: a smaller offset keeps the errors small.
    _against_draws(build, shape, offset=0.1, draws=200)


@pytest.mark.parametrize("name", _CONVOLUTIONS)
def test_terms_of_a_convolution_by_counting(name: str) -> None:
    """With all weights 1, the output for an input of 1s is the number of its terms; so is the gradient, backwards."""
    build, shape = _CONVOLUTIONS[name]
    module = build()
    assert isinstance(module, nn.Conv1d | nn.Conv2d | nn.Conv3d)
    nn.init.ones_(module.weight)
    if module.bias is not None:
        nn.init.zeros_(module.bias)
    x = torch.ones(1, *shape, requires_grad=True)
    y = module(x)
    (terms,) = torch.autograd.grad(y.sum(), x)
    rule = rule_for(module, shape)
    assert isinstance(rule, Weights)
    assert math.isclose(rule.fan_in, float(y.detach().double().mean()), rel_tol=1e-6)  # float32 means
    assert math.isclose(rule.fan_out, float(terms.double().mean()), rel_tol=1e-6)
    assert rule.units == module.out_channels


#: Modules with default and with other parameters, and the activation they are.
_ACTIVATIONS: dict[str, list[nn.Module]] = {
    "relu": [nn.ReLU(), nn.ReLU(inplace=False)],
    "relu6": [nn.ReLU6()],
    "leaky_relu": [nn.LeakyReLU(), nn.LeakyReLU(0.2)],
    "prelu": [nn.PReLU(), nn.PReLU(init=-0.5)],
    "elu": [nn.ELU(), nn.ELU(0.7)],
    "celu": [nn.CELU(), nn.CELU(0.7)],
    "selu": [nn.SELU()],
    "gelu": [nn.GELU()],
    "gelu_tanh": [nn.GELU(approximate="tanh")],
    "silu": [nn.SiLU()],
    "mish": [nn.Mish()],
    "tanh": [nn.Tanh()],
    "sigmoid": [nn.Sigmoid()],
    "softplus": [nn.Softplus(), nn.Softplus(beta=2.0), nn.Softplus(beta=2.0, threshold=3.0)],
    "hardtanh": [nn.Hardtanh(), nn.Hardtanh(-0.5, 2.0)],
    "hardsigmoid": [nn.Hardsigmoid()],
    "hardswish": [nn.Hardswish()],
    "hardshrink": [nn.Hardshrink(), nn.Hardshrink(0.3)],
    "softshrink": [nn.Softshrink(), nn.Softshrink(0.3)],
    "tanhshrink": [nn.Tanhshrink()],
    "softsign": [nn.Softsign()],
    "log_sigmoid": [nn.LogSigmoid()],
    "rrelu": [nn.RReLU(), nn.RReLU(0.2, 0.4)],
    "threshold": [nn.Threshold(0.2, -0.5)],
}
_CASES = [(name, module) for name, modules in _ACTIVATIONS.items() for module in modules]


@pytest.mark.parametrize(("name", "module"), _CASES)
def test_activation_modules_are_their_activations(name: str, module: nn.Module) -> None:
    rule = rule_for(module, (8,))
    assert isinstance(rule, Elementwise)
    assert rule.activation.name == name
    assert name in activation_names()
    # Rules are for evaluation; float32 keeps PReLU's slope to 1e-8.
    x = torch.linspace(-30, 30, 999, dtype=torch.float64)
    gap = (module.eval().double()(x).detach() - rule.activation(x)).abs()
    assert gap.max().item() <= 64 * 2.0**-52 * (1 + 30.0**2) + (1e-7 if isinstance(module, nn.PReLU) else 0.0)


def test_every_registered_activation_module_is_tested() -> None:
    registered = {
        kind for kind in rule_for.registry
        if isinstance(kind, type) and issubclass(kind, nn.Module) and kind.__module__ == "torch.nn.modules.activation"
    }  # fmt: skip
    assert registered - {nn.GLU} == {type(module) for _, module in _CASES}  # a gate halves its units


@pytest.mark.parametrize(("name", "module"), _CASES)
def test_activation_rules_on_gaussian_input(name: str, module: nn.Module) -> None:
    """Units with means of their own and data around them, both Gaussian: what a rule assumes, and nothing else."""
    del name
    torch.manual_seed(1)
    mean, common, own, units, groups = 0.3, 0.9, 0.6, 400, 100
    rule, before = rule_for(module, (units,)), Signal(mean, mean**2 + common**2 + own**2, own**2)
    after = rule.forward(before)
    centres = mean + common * torch.randn(groups, units, 1, dtype=torch.float64)
    x = (centres + own * torch.randn(groups, units, 2, dtype=torch.float64)).requires_grad_()
    y = module.eval().double()(x)
    (slope,) = torch.autograd.grad(y.sum(), x)
    y = y.detach()
    averages = {
        after.mean: y.mean(dim=(1, 2)),
        after.q: y.square().mean(dim=(1, 2)),
        after.var: y.diff(dim=2).square().mean(dim=(1, 2)) / 2,
        rule.backward(Gradient(2.0), before).q: 2 * slope.square().mean(dim=(1, 2)),
    }
    for value, sample in averages.items():
        error = sample.std().item() / math.sqrt(groups)
        # Rounding: PReLU's slope was a float32.
        assert abs(value - sample.mean().item()) <= STANDARD_ERRORS * error + 1e-9
    assert after.error == before.error


class _Doubled(nn.Tanh):
    def forward(self, input: torch.Tensor) -> torch.Tensor:
        return 2 * super().forward(input)


def test_a_module_that_only_derives_from_an_activation_has_no_rule() -> None:
    with pytest.raises(NoRuleError, match="_Doubled"):
        rule_for(_Doubled(), (3,))


def test_an_activation_of_equal_inputs() -> None:
    after = rule_for(nn.Tanh(), (3,)).forward(Signal(0.0, 1.0, 0.0))
    assert after.var <= 1e-30
    assert after.c == 1.0


@pytest.mark.parametrize("affine", [True, False])
def test_batch_norm(affine: bool) -> None:
    torch.manual_seed(2)
    units, samples = 50, 4_000
    module = nn.BatchNorm1d(units, affine=affine, momentum=None)
    if affine:
        nn.init.normal_(module.weight, 1.0, 0.3)
        nn.init.normal_(module.bias, 0.2, 0.5)
    x = torch.randn(units) + (0.2 + torch.rand(units)) * torch.randn(samples, units)
    module.train()(x)
    x.requires_grad_()
    y = module.eval()(x)
    upstream = torch.randn_like(y)
    (gradient,) = torch.autograd.grad(y, x, upstream)
    rule, before = rule_for(module, (units,)), _measure(x.detach())
    assert isinstance(rule, RunningNorm)
    after, found = rule.forward(before), _measure(y.detach())
    # The running statistics are those of these very data, but for n/(n-1) and float32.
    for key in ("mean", "q", "var"):
        assert math.isclose(getattr(after, key), getattr(found, key), rel_tol=1 / samples + 1e-5, abs_tol=1e-5), key
    by_unit = gradient.double().square().mean(dim=0) / upstream.double().square().mean(dim=0)
    found_gradient = float((by_unit * upstream.double().square().mean(dim=0)).mean())
    sizes = upstream.double().square().mean(dim=0)
    allowed = (
        rule.backward(Gradient(1.0), before).q * STANDARD_ERRORS * math.sqrt(2 / samples)
    )  # chi-square of a unit, at worst
    assert abs(found_gradient - rule.backward(Gradient(float(sizes.mean())), before).q) <= allowed


def test_batch_norm_without_statistics_goes_by_the_batch() -> None:
    torch.manual_seed(5)
    module = nn.BatchNorm2d(30, track_running_stats=False).eval()
    x = (0.3 + torch.randn(30, 1, 1) + torch.randn(400, 30, 3, 3)).requires_grad_()
    y = module(x)
    upstream = torch.randn_like(y)
    (gradient,) = torch.autograd.grad(y, x, upstream)
    rule = rule_for(module, (30, 3, 3))
    assert isinstance(rule, BatchNorm)
    # Units of deviation 1 with means of their own: positions have these in common, and nothing else.
    before = Signal(0.3, 2.09, 1.0, positions=Positions(1.09, 1.09))
    assert math.isclose(rule.forward(before).q, _square(y.detach()), rel_tol=1e-4)  # eps, and n/(n - 1)
    ratio = _square(gradient) / _square(upstream)
    # Of 3,600 numbers a unit's variance is known to 2.4 %, and there are 30 units; 2 directions of 3,600 are lost.
    allowed = STANDARD_ERRORS * math.sqrt(2 / 3_600 / 30) + 2 / 3_600
    assert abs(rule.backward(Gradient(1.0), before).q / ratio - 1) <= allowed


def test_prelu_with_a_slope_per_channel() -> None:
    torch.manual_seed(6)
    units, groups = 64, 300
    module = nn.PReLU(units).double()
    nn.init.uniform_(module.weight, -0.5, 1.5)
    mean, common, own = 0.3, 0.9, 0.6
    rule, before = rule_for(module, (units,)), Signal(mean, mean**2 + common**2 + own**2, own**2)
    centres = mean + common * torch.randn(groups, 1, units, dtype=torch.float64)
    x = (centres + own * torch.randn(groups, 2, units, dtype=torch.float64)).requires_grad_()
    y = module(x.flatten(0, 1)).reshape(groups, 2, units)
    (slope,) = torch.autograd.grad(y.sum(), x)
    after, y = rule.forward(before), y.detach()
    for value, sample in (
        (after.mean, y.mean(dim=(1, 2))),
        (after.q, y.square().mean(dim=(1, 2))),
        (after.var, y.diff(dim=1).square().mean(dim=(1, 2)) / 2),
        (rule.backward(Gradient(2.0), before).q, 2 * slope.square().mean(dim=(1, 2))),
    ):
        assert abs(value - sample.mean().item()) <= STANDARD_ERRORS * sample.std().item() / math.sqrt(groups)


@pytest.mark.parametrize("offset", [0.0, 0.8])
def test_layer_norm(offset: float) -> None:
    """For wide layers: corrections are of order 1/units."""
    torch.manual_seed(3)
    units, draws = 1_000, 40
    measured: dict[str, list[float]] = {key: [] for key in ("mean", "q", "var", "gradient")}
    expected: dict[str, list[float]] = {key: [] for key in measured}
    module = nn.LayerNorm(units, eps=0.01)
    nn.init.normal_(module.weight, 1.0, 0.3)
    nn.init.normal_(module.bias, 0.2, 0.5)
    rule = rule_for(module, (units,))
    assert isinstance(rule, GroupNorm)
    for _ in range(draws):
        x = (offset + torch.randn(1, units) + 0.7 * torch.randn(8, units)).requires_grad_()
        y = module(x)
        upstream = torch.randn_like(y)
        (gradient,) = torch.autograd.grad(y, x, upstream)
        before, found = _measure(x.detach()), _measure(y.detach())
        after = rule.forward(before)
        _note(measured, found, gradient)
        _note(expected, after, rule.backward(Gradient(_square(upstream)), before).q)
    for key in measured:
        gaps = np.array(measured[key]) - np.array(expected[key])
        error = float(gaps.std(ddof=1)) / math.sqrt(draws)
        # Removing mean and scale takes 2 of `units` directions from the gradient; statistics of one sample: 8/units.
        assert abs(float(gaps.mean())) <= STANDARD_ERRORS * error + 8 / units * float(np.mean(np.abs(expected[key]))), (
            key
        )


def test_layer_norm_without_weights() -> None:
    rule = rule_for(nn.LayerNorm(10, elementwise_affine=False, eps=0.0), (10,))
    after = rule.forward(Signal(0.5, 1.25, 0.5))
    assert after.mean == 0.0
    assert math.isclose(after.q, 1.0)
    assert math.isclose(after.var, 0.5)
    assert math.isclose(
        rule.backward(Gradient(3.0), Signal(0.5, 1.25, 0.5)).q, 3.0 * 0.8 / 0.9
    )  # 2 of 10 directions; the mean takes 1


@pytest.mark.parametrize(
    "module",
    [
        nn.Identity(),
        nn.Flatten(),
        nn.Unflatten(1, (2, 4)),
        nn.Dropout(0.5),
        nn.Dropout1d(),
        nn.Dropout2d(),
        nn.Dropout3d(),
        nn.AlphaDropout(),
    ],
)
def test_layers_that_change_nothing_at_test_time(module: nn.Module) -> None:
    rule: Rule = rule_for(module, (8,))
    assert isinstance(rule, Unchanged)
    signal = Signal(0.1, 2.0, 0.3, 0.05)
    assert rule.forward(signal) is signal
    assert rule.backward(Gradient(1.5), signal) == Gradient(1.5)
    # Channel-wise dropout wants as many positions' axes as it has dimensions.
    shape = (3, 8, *(2 for digit in type(module).__name__ if digit.isdigit() for _ in range(int(digit))))
    x = torch.randn(shape)
    assert torch.equal(module.eval()(x).reshape(shape), x)


@pytest.mark.parametrize(
    ("module", "word"),
    [
        (nn.MultiheadAttention(4, 2), "MultiheadAttention"),
        (nn.MaxPool2d(2), "MaxPool2d"),
        (nn.LSTM(2, 2), "LSTM: recurrent"),
        (nn.GLU(2), "positions by positions"),
        (nn.Sequential(nn.ReLU()), "Sequential"),
    ],
)
def test_an_unknown_layer_is_named(module: nn.Module, word: str) -> None:
    with pytest.raises(NoRuleError, match=word):
        rule_for(module, (4, 4, 4))
