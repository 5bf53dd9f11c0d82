"""What every activation of the registry must keep; a new entry is found here by itself."""

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
import torch
from oracle import exactly
from torch import nn

from propstats.activations import activation, activation_names
from propstats.activations.conversion.torch_modules import ELEMENTWISE_MODULES
from propstats.activations.derivative import differentiate
from propstats.activations.expression import Expr, symbols_of
from propstats.activations.names import find
from propstats.activations.syntax import parse, str_of

_EPS = torch.finfo(torch.float64).eps

#: What torch calls each of them, or how it would be written with torch.
_TORCH: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "abs": torch.abs,
    "asinh": torch.asinh,
    "atan": torch.atan,
    "bent_identity": lambda x: (torch.sqrt(x * x + 1) - 1) / 2 + x,
    "celu": nn.CELU(),
    "cos": torch.cos,
    "cube": lambda x: x**3,
    "elu": nn.ELU(),
    "erf": torch.erf,
    "exp": torch.exp,
    "gaussian": lambda x: torch.exp(-x * x),
    "gelu": nn.GELU(),
    "gelu_tanh": nn.GELU(approximate="tanh"),
    "hardshrink": nn.Hardshrink(),
    "hardsigmoid": nn.Hardsigmoid(),
    "hardswish": nn.Hardswish(),
    "hardtanh": nn.Hardtanh(),
    "identity": nn.Identity(),
    "leaky_relu": nn.LeakyReLU(),
    "log_sigmoid": nn.LogSigmoid(),
    "mish": nn.Mish(),
    "prelu": nn.PReLU(dtype=torch.float64),
    "quick_gelu": lambda x: x * torch.sigmoid(1.702 * x),
    "rbf": lambda x: torch.exp(-0.5 * x * x),
    "relu": nn.ReLU(),
    "relu6": nn.ReLU6(),
    "relu_squared": lambda x: torch.relu(x).square(),
    "rrelu": nn.RReLU().eval(),
    "selu": nn.SELU(),
    "sigmoid": nn.Sigmoid(),
    "sign": torch.sign,
    "silu": nn.SiLU(),
    "sin": torch.sin,
    "snake": lambda x: x + torch.sin(x).square(),
    "softplus": nn.Softplus(),
    "softshrink": nn.Softshrink(),
    "softsign": nn.Softsign(),
    "square": torch.square,
    "step": lambda x: torch.heaviside(x, torch.zeros_like(x)),
    "tanh": nn.Tanh(),
    "tanhshrink": nn.Tanhshrink(),
    "threshold": nn.Threshold(0.0, 0.0),
}
#: torch has no derivative of heaviside, and in that of hardsigmoid it takes 1/6 for a float32.
_NO_GRADIENT = {"step", "hardsigmoid"}
_WIDE = 40.0


def _inputs(name: str) -> torch.Tensor:
    """Points in [-40, 40], none of them a kink."""
    x = torch.linspace(-_WIDE, _WIDE, 8001, dtype=torch.float64) + 1 / 7919
    kinks = activation(name).kinks
    assert all((x - kink).abs().min() > 1e-6 for kink in kinks)
    return x


def _tolerance(x: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
    """Some thirty roundings, each at most an eps of terms no larger than 1 + x^2 + |value|; both sides round."""
    return 64 * _EPS * (1 + x * x + value.abs())


@pytest.mark.parametrize("name", activation_names())
def test_formula_reads_back(name: str) -> None:
    entry = activation(name)
    assert symbols_of(entry.formula) <= {"x", *entry.params}
    assert "x" in symbols_of(entry.formula)
    assert set(entry.params) <= symbols_of(entry.formula), "a parameter that does nothing"
    assert parse(str_of(entry.formula), {"x", *entry.params}) == entry.formula
    slope = parse(str_of(entry.slope_formula), {"x", *entry.params})
    for x in (-1.7, -0.3, 0.4, 2.9):
        # Products may come back associated the other way round: equal to within the oracle's rounding.
        exact = exactly(entry.slope_formula, {"x": x, **entry.params})
        assert abs(exactly(slope, {"x": x, **entry.params}) - exact) <= 1e-30 * (1 + abs(exact))


def _gradient(function: Callable[[torch.Tensor], torch.Tensor], x: torch.Tensor) -> torch.Tensor:
    """torch's own derivative; 0 where it sees no dependence, as in a step."""
    x = x.clone().requires_grad_()
    (gradient,) = torch.autograd.grad((function(x) + 0 * x).sum(), x)
    return gradient


@pytest.mark.parametrize("name", activation_names())
def test_equals_torch(name: str) -> None:
    assert name in _TORCH, "say here which function of torch this is"
    x = _inputs(name)
    value = activation(name)(x)
    gap = (value - _TORCH[name](x).detach()).abs()
    assert bool((gap <= _tolerance(x, value)).all()), float((gap / _tolerance(x, value)).max())


@pytest.mark.parametrize("name", activation_names())
def test_slope_is_autograd(name: str) -> None:
    """Of the formula, and of torch's function."""
    entry, x = activation(name), _inputs(name)
    slope = entry.slope(x)
    for function in (entry,) if name in _NO_GRADIENT else (entry, _TORCH[name]):
        gap = (slope - _gradient(function, x)).abs()
        assert bool((gap <= _tolerance(x, slope)).all()), float((gap / _tolerance(x, slope)).max())


@pytest.mark.parametrize("name", activation_names())
def test_bend_is_autograd(name: str) -> None:
    """The second derivative, which the conformance of kinks and the Hessian routes rely on."""
    entry, x = activation(name), _inputs(name)
    bend = entry._apply(differentiate(entry.slope_formula, "x"), x)
    gap = (bend - _gradient(entry.slope, x)).abs()
    assert bool((gap <= _tolerance(x, bend)).all()), float((gap / _tolerance(x, bend)).max())


def _derivatives(name: str, count: int) -> list[Expr]:
    """The formula and its first derivatives."""
    trees = [activation(name).formula]
    while len(trees) <= count:
        trees.append(differentiate(trees[-1], "x"))
    return trees


@pytest.mark.parametrize("name", activation_names())
def test_kinks_are_where_a_derivative_jumps(name: str) -> None:
    """From one side to the other, the function or one of two derivatives changes by more than a smooth one can."""
    entry, near = activation(name), 1e-7
    trees = _derivatives(name, 3)
    for kink in entry.kinks:
        sides = np.array([kink - near, kink + near])
        values = [entry._apply(tree, sides) for tree in trees]
        changes = [
            abs(here[1] - here[0]) - 2 * near * np.abs(slope).max() - 8 * _EPS * np.abs(here).max()
            for here, slope in pairwise(values)
        ]
        assert max(changes) > 0.0, kink


@pytest.mark.parametrize("name", activation_names())
def test_smooth_between_the_kinks(name: str) -> None:
    """The function and its slope change no faster than the next derivative lets them."""
    entry = activation(name)
    edges = [-40.0, *entry.kinks, 40.0]
    for low, high in pairwise(edges):
        x = np.linspace(low, high, 40_001)[1:-1]
        step = x[1] - x[0]
        values = [entry._apply(tree, x) for tree in _derivatives(name, 3)]
        for here, rate, turn in zip(values, values[1:], values[2:], strict=False):
            # Taylor's theorem between neighbours, with the next derivative at their ends, widened by a tenth.
            allowed = step * np.maximum(np.abs(rate[1:]), np.abs(rate[:-1]))
            allowed = allowed + step**2 * 1.1 * np.maximum(np.abs(turn[1:]), np.abs(turn[:-1]))
            rounding = 64 * _EPS * (1 + np.abs(here[1:]) + np.abs(x[1:]))
            assert (np.abs(np.diff(here)) <= allowed + rounding).all()


@pytest.mark.parametrize("name", activation_names())
def test_nothing_warns_at_large_inputs(name: str) -> None:
    """Warnings are errors in this suite; up to 700 nothing overflows."""
    entry, x = activation(name), np.array([-700.0, -40.0, -1.0, 0.0, 1.0, 40.0, 700.0])
    assert np.isfinite(entry(x)).all()
    assert np.isfinite(entry.slope(x)).all()


@pytest.mark.parametrize("name", activation_names())
def test_parameters_change_the_function(name: str) -> None:
    """Each parameter is torch's: a module built with other values is the entry with other values."""
    entry = activation(name)
    kind = getattr(nn, next((k for k in ELEMENTWISE_MODULES if find(k).name == name), ""), None)
    if kind is None or not entry.params:
        return
    other = {key: value + 0.125 * (i + 1) for i, (key, value) in enumerate(entry.params.items())}
    module = nn.PReLU(1, 0.375, dtype=torch.float64) if name == "prelu" else kind(**other).eval()
    x = _inputs(name)
    value = entry.with_params(**other)(x)
    gap = (value - module(x).detach()).abs()
    assert bool((gap <= _tolerance(x, value)).all())
