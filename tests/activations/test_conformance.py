"""What every activation of the registry must keep; a new entry is found here by itself."""

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
import torch
from oracle import exactly
from torch.nn import functional

from propstats.activations import activation, activation_names
from propstats.activations.expression import differentiate, parse, str_of, symbols_of
from propstats.expectation import closed_form, quadrature
from propstats.expectation.moments import BASE

_EPS = torch.finfo(torch.float64).eps
_CLAIMS = {"mean", "second_moment", "slope_second_moment", "var", "mean_slope"}

#: torch's own functions, where there is one of the same name.
_TORCH: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "relu": functional.relu,
    "leaky_relu": functional.leaky_relu,
    "prelu": lambda x: functional.prelu(x, torch.tensor(0.25, dtype=x.dtype)),
    "elu": functional.elu,
    "celu": functional.celu,
    "selu": functional.selu,
    "gelu": functional.gelu,
    "gelu_tanh": lambda x: functional.gelu(x, approximate="tanh"),
    "silu": functional.silu,
    "mish": functional.mish,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "softplus": functional.softplus,
    "hardtanh": functional.hardtanh,
    "relu6": functional.relu6,
    "abs": torch.abs,
    "erf": torch.erf,
    "sin": torch.sin,
    "cos": torch.cos,
    "identity": lambda x: x.clone(),
}


def _inputs(name: str) -> torch.Tensor:
    """Points in [-10, 10], none of them a kink; torch's softplus turns linear only above 20."""
    x = torch.linspace(-10, 10, 4001, dtype=torch.float64) + 1 / 7919
    kinks = activation(name).kinks
    assert all((x - kink).abs().min() > 1e-6 for kink in kinks)
    return x


def _tolerance(x: torch.Tensor) -> torch.Tensor:
    """Some thirty roundings, each at most an eps of terms no larger than 1 + x^2 (times two: both sides round)."""
    return 64 * _EPS * (1 + x * x)


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


@pytest.mark.parametrize("name", activation_names())
def test_slope_is_autograd(name: str) -> None:
    entry, x = activation(name), _inputs(name).requires_grad_()
    (gradient,) = torch.autograd.grad(entry(x).sum(), x)
    gap = (entry.slope(x.detach()) - gradient).abs()
    assert bool((gap <= _tolerance(x.detach())).all()), float((gap / _tolerance(x.detach())).max())


@pytest.mark.parametrize("name", activation_names())
def test_equals_torch(name: str) -> None:
    assert name in _TORCH, "say here which function of torch this is, or that there is none"
    x = _inputs(name)
    gap = (activation(name)(x) - _TORCH[name](x)).abs()
    assert bool((gap <= _tolerance(x)).all()), float((gap / _tolerance(x)).max())


@pytest.mark.parametrize("name", activation_names())
def test_kinks_are_where_a_derivative_jumps(name: str) -> None:
    entry = activation(name)
    second = differentiate(entry.slope_formula, "x")
    near = 1e-7
    for kink in entry.kinks:
        sides = np.array([kink - near, kink + near])
        slope = entry.slope(sides)
        bend = entry._apply(second, sides)
        # What a smooth function could do over 2e-7, with derivatives below 10 everywhere here.
        assert abs(slope[1] - slope[0]) > 1e-5 or abs(bend[1] - bend[0]) > 1e-5, kink


@pytest.mark.parametrize("name", activation_names())
def test_slope_is_continuous_between_the_kinks(name: str) -> None:
    entry = activation(name)
    bend = differentiate(entry.slope_formula, "x")
    edges = [-12.0, *entry.kinks, 12.0]
    for low, high in pairwise(edges):
        x = np.linspace(low, high, 20_001)[1:-1]
        step = x[1] - x[0]
        steepest = float(np.max(np.abs(entry._apply(bend, x))))
        # The mean value theorem; third derivatives below 10 can hide at most 10 steps of bend between the points.
        assert np.max(np.abs(np.diff(entry.slope(x)))) <= step * (steepest + 10 * step) + 8 * _EPS


@pytest.mark.parametrize("name", activation_names())
@pytest.mark.parametrize(("mean", "std"), [(0.0, 1.0), (0.0, 2.5), (0.3, 1.7), (-1.2, 0.4)])
def test_claimed_closed_forms_agree(name: str, mean: float, std: float) -> None:
    entry = activation(name)
    assert set(entry.closed_forms) | set(entry.centred_forms) <= _CLAIMS
    claimed = set(entry.closed_forms) | (set(entry.centred_forms) if mean == 0.0 else set())
    by_form = closed_form.moments(entry, mean=mean, std=std)
    by_nodes = quadrature.moments(entry, mean=mean, std=std)
    assert claimed <= by_form.keys() <= by_nodes.keys()
    for moment, estimate in by_form.items():
        assert estimate.is_defined, moment
        assert estimate.agrees_with(by_nodes[moment]), (moment, estimate, by_nodes[moment])
    if "second_moment" in entry.closed_forms:
        assert set(BASE) <= by_form.keys()


@pytest.mark.parametrize("name", activation_names())
def test_closed_forms_follow_parameters(name: str) -> None:
    """At other parameters than the defaults: a constant typed in for one would show."""
    entry = activation(name)
    other = entry.with_params(**{key: 0.8 * value - 0.1 for key, value in entry.params.items()})
    by_form, by_nodes = closed_form.moments(other, mean=0.3, std=1.7), quadrature.moments(other, mean=0.3, std=1.7)
    for moment, estimate in by_form.items():
        assert estimate.agrees_with(by_nodes[moment]), (moment, estimate, by_nodes[moment])


@pytest.mark.parametrize("name", activation_names())
def test_nothing_warns_at_large_inputs(name: str) -> None:
    """Warnings are errors in this suite; up to 700 nothing overflows."""
    entry, x = activation(name), np.array([-700.0, -40.0, 40.0, 700.0])
    assert np.isfinite(entry(x)).all()
    assert np.isfinite(entry.slope(x)).all()
