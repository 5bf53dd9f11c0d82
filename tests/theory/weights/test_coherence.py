"""Proposition 1: matrices whose coherence is known, brute force, and samples."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from propstats.errors import DomainError
from propstats.estimate import STANDARD_ERRORS, Estimate
from propstats.theory.weights import coherence
from propstats.theory.weights.coherence import CanonicalError, canonical_error, products_of_pairs

Array = NDArray[np.float64]


def _is(estimate: Estimate, exact: float) -> bool:
    return abs(estimate.value - exact) <= estimate.error


def _simplex(n: int) -> Array:
    """n + 1 vectors in n + 1 dimensions (of rank n), all at the cosine -1/n."""
    return np.eye(n + 1) - 1 / (n + 1)


def _brute(w: Array, std: float = 1.0) -> tuple[float, float, float]:
    """Coherence, left and right side, as the paper writes them."""
    norms = np.sqrt((w**2).sum(axis=1))
    mu = left = right = 0.0
    for i in range(len(w)):
        for j in range(len(w)):
            if i != j:
                inner = float((w[i] * w[j]).sum())
                left += inner**2
                right += float(norms[i] ** 2 * norms[j] ** 2)
                if norms[i] * norms[j] > 0:
                    mu = max(mu, abs(inner) / float(norms[i] * norms[j]))
    return mu, std**2 * math.sqrt(left), std**2 * mu * math.sqrt(right)


def test_orthonormal_rows() -> None:
    q = np.linalg.qr(np.random.default_rng(0).normal(size=(9, 9)))[0]
    for w in (np.eye(7), q, 3.0 * q):
        found = canonical_error(w)
        assert _is(found.coherence, 0.0)
        assert _is(found.off_diagonal, 0.0)
        assert not found.ratio.is_defined  # 0/0
    assert _is(canonical_error(3.0 * q).diagonal, 9 * 3)


def test_duplicate_rows() -> None:
    w = np.random.default_rng(1).normal(size=(5, 20))
    w[4] = -2 * w[1]
    found = canonical_error(w)
    assert _is(found.coherence, 1.0)
    assert found.coherence.value <= 1.0
    assert found.pair == (1, 4)


@pytest.mark.parametrize("n", [2, 3, 10, 40])
def test_simplex_frames_are_equiangular(n: int) -> None:
    """All pairs at 1/n: the bound is the exact error, and no frame of so many rows in so few dimensions has less."""
    found = canonical_error(_simplex(n))
    assert _is(found.coherence, 1 / n)
    assert _is(found.ratio, 1.0)
    flat = np.linalg.svd(_simplex(n))[0][:, :n]  # the same angles in n dimensions
    found = canonical_error(flat)
    assert _is(found.coherence, 1 / n)
    assert math.isclose(found.least_coherence, 1 / n, rel_tol=1e-14)


def test_mutually_unbiased_bases() -> None:
    """Rows of two bases in 4 dimensions: 1/sqrt(4) across, 0 within."""
    hadamard = np.array([[1, 1, 1, 1], [1, -1, 1, -1], [1, 1, -1, -1], [1, -1, -1, 1]]) / 2
    found = canonical_error(np.concatenate([np.eye(4), hadamard]))
    assert _is(found.coherence, 0.5)
    assert _is(found.off_diagonal, math.sqrt(2 * 16 / 4))
    assert _is(found.canonical_error_bound, 0.5 * math.sqrt(8 * 7))


def test_one_row_and_no_direction() -> None:
    one = canonical_error(np.ones((1, 5)))
    assert (one.coherence.value, one.off_diagonal.value, one.canonical_error_bound.value) == (0.0, 0.0, 0.0)
    assert one.pair is None
    assert not one.ratio.is_defined
    nothing = canonical_error(np.zeros((3, 5)))
    assert (nothing.zero_rows, nothing.pair, nothing.diagonal.value) == (3, None, 0.0)


def test_zero_rows_count_in_neither_side() -> None:
    w = np.random.default_rng(2).normal(size=(6, 8))
    with_zeros = np.insert(w, [0, 3, 6], 0.0, axis=0)
    plain, padded = canonical_error(w), canonical_error(with_zeros)
    assert padded.zero_rows == 3
    for name in ("coherence", "off_diagonal", "canonical_error_bound", "ratio"):
        assert getattr(plain, name).agrees_with(getattr(padded, name))


_MATRICES = hnp.arrays(
    np.float64,
    hnp.array_shapes(min_dims=2, max_dims=2, max_side=7),
    elements=st.floats(-1e3, 1e3, allow_subnormal=False).map(lambda x: 0.0 if abs(x) < 1e-3 else x),
)


@settings(max_examples=150, deadline=None)
@given(_MATRICES, st.floats(0.01, 100.0))
def test_the_bound_holds_and_both_sides_are_brute_force(w: Array, std: float) -> None:
    found = canonical_error(w, std=std)
    assert found.off_diagonal.value <= found.canonical_error_bound.value + (
        found.off_diagonal.error + found.canonical_error_bound.error
    )
    mu, left, right = _brute(w, std)
    slack = 1e-12  # the brute force's own rounding, relative to the largest it can make
    size = std**2 * float((w**2).sum())
    assert abs(found.coherence.value - mu) <= found.coherence.error + slack
    assert abs(found.off_diagonal.value - left) <= found.off_diagonal.error + slack * size
    assert abs(found.canonical_error_bound.value - right) <= found.canonical_error_bound.error + slack * size


@settings(max_examples=60, deadline=None)
@given(_MATRICES, st.integers(1, 5), st.integers(1, 60))
def test_blocks_do_not_matter(w: Array, rows: int, numbers: int) -> None:
    whole = canonical_error(w)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(coherence, "_BLOCK_ROWS", rows)
        patch.setattr(coherence, "_BLOCK_NUMBERS", numbers)
        parts = canonical_error(w)
    for name in ("coherence", "diagonal", "off_diagonal", "canonical_error_bound"):
        assert getattr(whole, name).agrees_with(getattr(parts, name)), name


@settings(max_examples=60, deadline=None)
@given(_MATRICES, st.sampled_from([1e-150, 1e-40, 2.0**-30, 1e40, 1e140]))
def test_scale_does_not_matter(w: Array, scale: float) -> None:
    """Neither overflow nor underflow of squares, however large the weights."""
    plain, scaled = canonical_error(w), canonical_error(scale * w)
    assert plain.coherence.agrees_with(scaled.coherence)
    if plain.ratio.is_defined and scaled.ratio.is_defined:
        assert plain.ratio.agrees_with(scaled.ratio)


def test_scaled_inputs() -> None:
    w = np.random.default_rng(3).normal(size=(4, 6))
    plain, louder = canonical_error(w), canonical_error(w, std=3.0)
    for name in ("off_diagonal", "canonical_error_bound", "diagonal"):
        assert _is(getattr(louder, name), 9 * getattr(plain, name).value)


def test_groups_have_inputs_of_their_own() -> None:
    """A grouped layer is a block-diagonal matrix."""
    rng = np.random.default_rng(4)
    w = rng.normal(size=(6, 5))
    whole = np.zeros((6, 15))
    for g in range(3):
        whole[2 * g : 2 * g + 2, 5 * g : 5 * g + 5] = w[2 * g : 2 * g + 2]
    grouped, dense = canonical_error(w, groups=3), canonical_error(whole)
    for name in ("coherence", "off_diagonal", "canonical_error_bound", "ratio", "diagonal"):
        assert getattr(grouped, name).agrees_with(getattr(dense, name)), name
    assert grouped.pair == dense.pair
    assert not canonical_error(w).coherence.agrees_with(grouped.coherence)  # the pairs across would count


def test_filters_are_flattened_and_other_types_read() -> None:
    w = np.random.default_rng(5).normal(size=(4, 3, 2, 2))
    flat = canonical_error(w.reshape(4, -1))
    assert canonical_error(w) == flat
    assert canonical_error(w.astype(np.float32)).columns == 12
    ints = canonical_error(np.array([[1, 1], [1, -1]], dtype=np.int8))
    assert _is(ints.coherence, 0.0)
    assert canonical_error(np.array([3.0, 4.0])).columns == 1


@pytest.mark.parametrize("shape", [(12, 30), (40, 10)])
def test_the_sampled_covariance(shape: tuple[int, int]) -> None:
    """Cov(Wx) for x ~ N(0, s^2 I), entry by entry, and its largest correlation is the coherence."""
    rng = np.random.default_rng(6)
    w, std, samples = rng.normal(size=shape), 1.7, 20_000
    u = std * rng.normal(size=(samples, shape[1])) @ w.T
    sampled = u.T @ u / samples
    exact = std**2 * w @ w.T
    error = np.sqrt((np.outer(np.diag(exact), np.diag(exact)) + exact**2) / samples)  # Wishart
    # A thousand entries at once: a normal deviate beyond 5 is a matter of one in a thousand such matrices.
    assert np.all(np.abs(sampled - exact) <= STANDARD_ERRORS * error)
    found = canonical_error(w, std=std)
    off = exact - np.diag(np.diag(exact))
    assert math.isclose(found.off_diagonal.value, float(np.linalg.norm(off)), rel_tol=1e-12)
    i, j = found.pair or (0, 0)
    spread = (1 - found.coherence.value**2) / math.sqrt(samples)
    correlation = abs(sampled[i, j]) / math.sqrt(sampled[i, i] * sampled[j, j])
    assert abs(correlation - found.coherence.value) <= STANDARD_ERRORS * spread


def test_memory_stays_within_blocks() -> None:
    """The products of all pairs of these rows would take 400 MB."""
    import tracemalloc

    w = np.random.default_rng(9).normal(size=(7_000, 32)).astype(np.float32)
    tracemalloc.start()
    try:
        canonical_error(w)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 40e6


def test_random_rows_keep_to_welch() -> None:
    found = canonical_error(np.random.default_rng(7).normal(size=(60, 7)))
    assert found.least_coherence <= found.coherence.value


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=12))
def test_products_of_pairs(numbers: list[float]) -> None:
    from fractions import Fraction

    exact = sum(Fraction(a) * Fraction(b) for i, a in enumerate(numbers) for j, b in enumerate(numbers) if i != j)
    found = products_of_pairs(np.array(numbers))
    # Sums and products of what is not negative: a few roundings each, and what underflows.
    assert abs(Fraction(found) - exact) <= exact * Fraction(len(numbers) + 4, 2**52) + Fraction(1, 10**300)


@pytest.mark.parametrize(
    ("weight", "options", "message"),
    [
        (np.array([[1.0, math.nan], [math.inf, 2.0]]), {}, "2 of 4 weights are not finite"),
        (np.zeros((0, 3)), {}, "weights of shape (0, 3) have no rows"),
        (np.array(3.0), {}, "weights of shape () have no rows"),
        (np.array([["a"]]), {}, "weights must be real numbers, got <U1"),
        (np.ones((2, 2)), {"std": 0.0}, "std must be a positive number, got 0"),
        (np.ones((2, 2)), {"std": math.nan}, "std must be a positive number"),
        (np.ones((4, 2)), {"groups": 3}, "3 groups do not divide 4 rows"),
        (np.ones((4, 2)), {"groups": 0}, "0 groups do not divide 4 rows"),
    ],
)
def test_bad_matrices(weight: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(DomainError) as caught:
        canonical_error(weight, **options)
    assert message in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_the_record_is_whole() -> None:
    found = canonical_error(np.random.default_rng(8).normal(size=(3, 4)))
    assert isinstance(found, CanonicalError)
    assert (found.rows, found.columns, found.zero_rows) == (3, 4, 0)
