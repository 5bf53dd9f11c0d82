"""Dropout by every route, and against torch's own layers."""

import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from propstats import Route, dropout, moments
from propstats.errors import DomainError, UnknownNameError
from propstats.theory.dropout import ALPHA, KINDS


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rectified", [False, True])
@pytest.mark.parametrize(("keep", "mean", "std"), [(0.5, 0.0, 1.0), (0.1, -1.0, 0.4), (1.0, 0.3, 1.0)])
def test_routes_agree(kind: str, rectified: bool, keep: float, mean: float, std: float) -> None:
    for correlation in (-1.0, 0.0, 0.6):
        options: dict[str, Any] = {"keep": keep, "mean": mean, "std": std, "rectified": rectified}
        result = dropout(kind, correlation=correlation, samples=4_000, seed=2, digits=15, **options)
        assert result.agree, [name for name, quantity in result.quantities().items() if not quantity.agree]
        for quantity in result.quantities().values():
            assert {Route.CERTIFIED, Route.SAMPLING} <= quantity.routes.keys()


@settings(max_examples=50)
@given(st.floats(0.05, 1.0), st.floats(-3.0, 3.0), st.floats(0.1, 3.0))
def test_inverted_dropout_with_a_mean(keep: float, mean: float, std: float) -> None:
    """Mean m, variance (v + m^2)/q - m^2, backward second moment 1/q."""
    result = dropout(keep=keep, mean=mean, std=std, samples=0, digits=None)
    size = (std**2 + mean**2) / keep
    assert abs(result.forward.mean.value - mean) <= 1e-15 * (1 + abs(mean))
    assert abs(result.forward.var.value - (size - mean**2)) <= 1e-14 * size
    assert result.backward.slope_second_moment.value == pytest.approx(1 / keep, rel=1e-15)


def test_which_scale_keeps_the_variance() -> None:
    """For an input of mean 0 it is 1/sqrt(q), not 1/q (whose variance is 1/q)."""
    assert dropout("unit", keep=0.3, samples=0).forward.var.value == pytest.approx(1.0, abs=1e-15)
    assert dropout("inverted", keep=0.3, samples=0).forward.var.value == pytest.approx(1 / 0.3, abs=1e-14)
    assert dropout("plain", keep=0.3, samples=0).forward.var.value == pytest.approx(0.3, abs=1e-15)


def test_after_a_relu() -> None:
    unit, result = moments("relu", samples=0), dropout(keep=0.5, rectified=True, samples=0)
    assert result.forward.mean.value == pytest.approx(unit.forward.mean.value, abs=1e-15)
    assert result.forward.second_moment.value == pytest.approx(2 * unit.forward.second_moment.value, abs=1e-15)
    assert result.forward.var.formula == "1 - 1/(2*pi)"


def test_alpha_dropout_keeps_what_selu_keeps() -> None:
    result = dropout("alpha", keep=0.9, samples=0)
    assert result.forward.mean.value == 0.0
    assert result.forward.var.value == pytest.approx(1.0, abs=1e-15)


LAYERS: dict[str, type[nn.Module]] = {"inverted": nn.Dropout, "feature": nn.Dropout1d, "alpha": nn.AlphaDropout}


@pytest.mark.parametrize("kind", LAYERS)
def test_layers_are_those_of_torch(kind: str) -> None:
    """Two positions of one channel, a hundred thousand channels, within four standard errors."""
    keep, mean, correlation = 0.7, 0.6, 0.5
    result = dropout(kind, keep=keep, mean=mean, correlation=correlation, samples=0, digits=None)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(11)
        z = torch.randn(100_000, 1, 3, dtype=torch.float64)
        x = mean + math.sqrt(correlation) * z[..., :1] + math.sqrt(1 - correlation) * z[..., 1:]
        x.requires_grad_()
        y = LAYERS[kind](1 - keep).train()(x)
        (slope,) = torch.autograd.grad(y.sum(), x)
    pairs, first = y.detach()[:, 0], result.forward.mean.value
    centred = pairs - first
    covariance = result.forward.correlation.value * result.forward.var.value
    for sample, expected in (
        (pairs.mean(1), first),
        ((centred**2).mean(1), result.forward.var.value),
        (centred[:, 0] * centred[:, 1], covariance),
        (slope.mean((1, 2)), result.backward.mean_slope.value),
        ((slope**2).mean((1, 2)), result.backward.slope_second_moment.value),
    ):
        error = float(sample.std()) / math.sqrt(len(sample))
        assert abs(float(sample.mean()) - expected) <= 4 * error


def test_a_channel_that_goes_takes_its_positions_along() -> None:
    """Equal means that are dropped together are correlated, even if the inputs are not."""
    own = dropout("inverted", keep=0.5, mean=1.0, samples=0).forward.correlation
    shared = dropout("feature", keep=0.5, mean=1.0, samples=0).forward.correlation
    assert own.value == 0.0
    assert shared.value == pytest.approx(1 / 3, abs=1e-15)  # (1/q - 1) m^2 of (v + m^2)/q - m^2
    assert shared.formula == "1/3"


def test_nothing_left_to_correlate() -> None:
    result = dropout(keep=0.5, std=0.0, samples=0)
    assert result.forward.var.value == 0.0
    assert math.isnan(result.forward.correlation.value)
    assert result.agree


def test_torch_writes_the_same_number() -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        y = nn.functional.alpha_dropout(torch.zeros(100, dtype=torch.float64), 0.5, training=True)
    a = (0.5 + ALPHA**2 * 0.25) ** -0.5
    assert y.min().item() == pytest.approx(a * ALPHA * 0.5, abs=1e-15)


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"keep": 0.0}, "above 0 and at most 1"),
        ({"keep": 1.5}, "above 0 and at most 1"),
        ({"keep": math.nan}, "above 0 and at most 1"),
        ({"std": -1.0}, "std at least 0"),
        ({"correlation": -1.5}, "correlation must be between -1 and 1"),
        ({"samples": -1}, "sampling needs at least 2 samples, got -1"),
        ({"samples": 1}, "at least 2"),
    ],
)
def test_bad_input(options: dict[str, Any], word: str) -> None:
    with pytest.raises(DomainError, match=word):
        dropout(**{"samples": 0, **options})


def test_unknown_kind() -> None:
    with pytest.raises(UnknownNameError, match="did you mean inverted"):
        dropout("invertd")
