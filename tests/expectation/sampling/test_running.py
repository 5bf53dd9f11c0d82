import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from propstats.expectation.sampling.running import RunningMoments

_SIZES = st.lists(st.integers(1, 40), min_size=1, max_size=8)


def _rows(seed: int, count: int) -> np.ndarray:
    """Three components, of different size, correlated, and far from 0."""
    z = np.random.default_rng(seed).standard_normal((3, count))
    return np.stack([z[0] + 1e3, 1e-3 * z[1], z[0] * z[2] - 5.0])


@given(sizes=_SIZES, seed=st.integers(0, 1000), order=st.randoms(use_true_random=False))
def test_merging_in_any_order_is_one_pass(sizes: list[int], seed: int, order: object) -> None:
    rows = _rows(seed, sum(sizes))
    parts = [RunningMoments.of(part) for part in np.split(rows, np.cumsum(sizes)[:-1], axis=1)]
    order.shuffle(parts)  # type: ignore[attr-defined]
    merged = RunningMoments.empty(3)
    for part in parts:
        merged = merged.merge(part)
    whole = RunningMoments.of(rows)
    assert merged.count == whole.count == sum(sizes)
    # Sums of n numbers: n eps of their size.
    eps = 4 * sum(sizes) * 2.0**-52
    assert np.all(np.abs(merged.mean - whole.mean) <= eps * np.abs(rows).max(axis=1))
    scale = np.sqrt((rows**2).sum(axis=1))
    centred = np.sqrt(whole.scatter.diagonal()) + eps * scale
    assert np.all(
        np.abs(merged.scatter - whole.scatter) <= 8 * eps * np.outer(scale, centred) + eps**2 * np.outer(scale, scale)
    )


@given(sizes=st.tuples(st.integers(1, 30), st.integers(1, 30), st.integers(1, 30)))
def test_merging_is_associative_and_has_a_neutral_element(sizes: tuple[int, int, int]) -> None:
    a, b, c = (RunningMoments.of(_rows(k, n)) for k, n in enumerate(sizes))
    left, right = a.merge(b).merge(c), a.merge(b.merge(c))
    # A dozen roundings of numbers as large as these.
    largest = np.array([1e3, 1e-3, 10.0])
    assert left.count == right.count
    assert np.all(np.abs(left.mean - right.mean) <= 12 * 2.0**-52 * largest)
    assert np.all(np.abs(left.scatter - right.scatter) <= 12 * 2.0**-52 * sum(sizes) * np.outer(largest, largest))
    for alone in (a.merge(RunningMoments.empty(3)), RunningMoments.empty(3).merge(a)):
        assert alone is a


def test_covariance_is_numpys() -> None:
    rows = _rows(1, 50)
    assert np.allclose(RunningMoments.of(rows).covariance, np.cov(rows), rtol=1e-12)
    assert np.isnan(RunningMoments.of(rows[:, :1]).covariance).all()


def test_of_sums_is_of() -> None:
    rows = _rows(2, 100) - np.array([[1e3], [0.0], [-5.0]])
    by_sums = RunningMoments.of_sums(100, rows.sum(axis=1), rows @ rows.T)
    direct = RunningMoments.of(rows)
    assert np.allclose(by_sums.mean, direct.mean, rtol=1e-13)
    assert np.allclose(by_sums.scatter, direct.scatter, rtol=1e-12, atol=1e-12 * direct.scatter.max())


def test_no_cancellation_at_a_billion() -> None:
    """Plain sums of squares would keep no digit of a variance of 1 at a mean of 1e9."""
    rows = np.array([[1e9 - 1.0, 1e9 + 1.0]])
    merged = RunningMoments.of(rows[:, :1]).merge(RunningMoments.of(rows[:, 1:]))
    for _ in range(10):
        merged = merged.merge(merged)
    assert merged.count == 2048
    assert math.isclose(merged.covariance[0, 0], 2048 / 2047, rel_tol=1e-12)


def test_infinities_pass_silently(recwarn: pytest.WarningsRecorder) -> None:
    infinite = RunningMoments.of(np.array([[math.inf, 1.0]]))
    assert np.isnan(infinite.merge(infinite).scatter).all()
    assert not recwarn.list
