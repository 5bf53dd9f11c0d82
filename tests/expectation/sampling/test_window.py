"""Samples of pooling windows: what they estimate, and what they may not have seen."""

import math

import numpy as np
import pytest
import torch
from torch.nn import functional

from propstats.errors import DomainError
from propstats.expectation.sampling import window
from propstats.expectation.sampling.window import ROWS, WindowSample, sample_window


def _largest(x: torch.Tensor) -> torch.Tensor:
    return functional.max_pool1d(x, x.shape[-1])


def _check(found: WindowSample, name: str, exact: float) -> None:
    error = math.sqrt(found.variance(found.row(name)))
    assert abs(found.value(name) - exact) <= 4 * error < 0.2


def test_the_larger_of_two() -> None:
    found = sample_window(_largest, 2, samples=20_000, seed=1)
    _check(found, "mean", 1 / math.sqrt(math.pi))
    _check(found, "var", 1 - 1 / math.pi)
    _check(found, "first", 0.5)
    _check(found, "other", 0.5)


@pytest.mark.parametrize("correlation", [-0.5, 0.0, 0.7, 1.0])
def test_correlation_is_what_was_asked_for(correlation: float) -> None:
    """The sum of three has variance 3 + 6 rho; at -1/2 it is 0."""
    found = sample_window(lambda x: x.sum(-1, keepdim=True), 3, correlation=correlation, samples=20_000)
    error = math.sqrt(found.variance(found.row("var")))
    assert abs(found.value("var") - (3 + 6 * correlation)) <= 4 * error


def test_ties_go_to_the_first() -> None:
    found = sample_window(_largest, 3, correlation=1.0, samples=100)
    assert (found.value("first"), found.value("other")) == (1.0, 0.0)


def test_what_is_rare_is_no_disagreement() -> None:
    """A hundred windows do not show an event of probability 1e-3, which must not count as impossible."""
    found = sample_window(_largest, 2, mean=1.85, rectified=True, samples=100)
    exact = 0.5 * (1 - 0.0322**2)  # Phi(-1.85)^2: both are 0
    assert found.covariance[ROWS.index("alive"), ROWS.index("alive")] == 0.0
    assert abs(found.value("alive") - exact) <= 4 * math.sqrt(found.variance(found.row("alive")))


def test_blocks_and_threads_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    alone = sample_window(_largest, 63, samples=20_000, seed=3)
    monkeypatch.setattr(window, "workers_for", lambda device: 3)
    together = sample_window(_largest, 63, samples=20_000, seed=3)
    assert np.array_equal(alone.mean, together.mean)
    assert np.array_equal(alone.covariance, together.covariance)


def test_streams_are_independent() -> None:
    one, other = (sample_window(_largest, 2, samples=1_000, stream=stream) for stream in (0, 1))
    assert one.value("mean") != other.value("mean")


def test_large_windows_are_fewer() -> None:
    assert sample_window(_largest, 2_000_000, samples=100).samples == 9


def test_too_few() -> None:
    with pytest.raises(DomainError, match="at least 2"):
        sample_window(_largest, 2, samples=1)
