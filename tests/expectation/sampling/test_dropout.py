"""Samples of dropout, against what two numbers and a coin make."""

import math
from typing import Any

import pytest

from propstats.errors import DomainError
from propstats.expectation.sampling.dropout import dropout_moments


def test_inverted() -> None:
    found = dropout_moments(1 / 0.8, 0.0, 0.0, keep=0.8, mean=1.0, correlation=0.5, samples=50_000)
    expected = {"mean": 1.0, "var": 1.5, "std": math.sqrt(1.5), "correlation": 1 / 3, "slope_second_moment": 1.25}
    for name, exact in expected.items():
        assert abs(found[name].value - exact) <= 4 * found[name].error < 0.1


def test_a_shared_mask() -> None:
    """`E[y1 y2] = q E[x1 x2]/q^2`, with independent inputs of mean 1: 1/q."""
    found = dropout_moments(2.0, 0.0, 0.0, keep=0.5, mean=1.0, shared=True, samples=50_000)
    assert abs(found["correlation"].value - 1 / 3) <= 4 * found["correlation"].error < 0.1


def test_what_is_set_and_added() -> None:
    found = dropout_moments(3.0, 0.5, -2.0, keep=0.25, std=0.0, mean=1.0, samples=50_000)
    assert abs(found["mean"].value - (3 * (0.25 - 1.5) + 0.5)) <= 4 * found["mean"].error
    assert abs(found["mean_slope"].value - 0.75) <= 4 * found["mean_slope"].error


def test_nothing_varies() -> None:
    found = dropout_moments(1.0, 0.0, 0.0, keep=1.0, mean=0.5, std=0.0, samples=100)
    assert found["var"].value == 0.0
    assert "correlation" not in found


def test_seeds() -> None:
    one, same, other = (dropout_moments(1.0, 0.0, 0.0, keep=0.5, samples=100, seed=seed) for seed in (1, 1, 2))
    assert one == same
    assert one != other
    refused: list[dict[str, Any]] = [{"samples": 1}, {"seed": -1}]
    for options in refused:
        with pytest.raises(DomainError):
            dropout_moments(1.0, 0.0, 0.0, keep=0.5, **options)
