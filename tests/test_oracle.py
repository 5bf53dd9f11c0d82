"""The judge is judged first: by halving its panels and by integrals known by heart."""

from collections.abc import Callable
from typing import Any

import mpmath
import pytest
from oracle import DIGITS, ORACLE_ERROR, exactly, oracle_moments

from propstats.activations.syntax import parse

_HARD = [("gelu_tanh", 0.3, 1.7), ("gelu_tanh", 0.0, 1e3), ("mish", 0.0, 1e3), ("erf", 10.0, 0.01), ("selu", -8.0, 1.0)]


@pytest.mark.parametrize(("name", "mean", "std"), _HARD)
def test_oracle_halving(name: str, mean: float, std: float) -> None:
    coarse, fine = oracle_moments(name, mean, std), oracle_moments(name, mean, std, 0.5)
    for moment, value in coarse.items():
        assert abs(value - fine[moment]) <= ORACLE_ERROR * (1 + abs(value)), moment


@pytest.mark.parametrize(
    ("name", "moment", "exact"),
    [
        ("relu", "mean", lambda mp: 1 / mp.sqrt(2 * mp.pi)),
        ("gelu", "second_moment", lambda mp: mp.mpf(1) / 3 + 1 / (2 * mp.sqrt(3) * mp.pi)),
        ("erf", "var", lambda mp: 2 / mp.pi * mp.asin(mp.mpf(2) / 3)),
        ("sin", "var_rate", lambda mp: mp.exp(-2)),  # (s/2) d/ds of (1 - exp(-2 s^2))/2 at s = 1
        ("softplus", "mean_slope", lambda mp: mp.mpf(1) / 2),
        ("hardtanh", "slope_second_moment", lambda mp: mp.erf(1 / mp.sqrt(2))),
    ],
)
def test_oracle_known_integrals(name: str, moment: str, exact: Callable[[Any], Any]) -> None:
    with mpmath.workdps(DIGITS):
        assert abs(oracle_moments(name, 0.0, 1.0)[moment] - exact(mpmath.mp)) < ORACLE_ERROR


@pytest.mark.parametrize("name", ["sin", "cos"])
def test_oracle_wide_trigonometric(name: str) -> None:
    """Beyond std 100 characteristic functions replace the integral; everything oscillating is gone there."""
    moments = oracle_moments(name, 0.3, 200.0)
    assert abs(moments["second_moment"] - 0.5) < ORACLE_ERROR
    assert abs(moments["var_rate"]) < ORACLE_ERROR


def test_oracle_evaluates_floats_exactly() -> None:
    assert exactly(parse("x + x", {"x"}), {"x": 0.1}) == 2 * mpmath.mpf(0.1)
