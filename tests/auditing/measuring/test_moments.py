"""Moments by batches are the moments of everything at once; NumPy and SciPy, which know nothing of batches, agree."""

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from propstats.auditing.measuring.moments import GROUPS, Moments, grouped, merge, power_of_two

#: Rounding of a sum of `n` numbers is at most n ulp of the sum of their sizes; fourth powers see four times that.
ULP = 2.0**-52


def close(a: Moments, b: Moments, numbers: torch.Tensor) -> None:
    """Compare two states of the same numbers, within what rounding of sums of their sizes allows."""
    n = max(len(numbers), 1)
    assert torch.equal(a.count, b.count)
    size = numbers.abs().amax(dim=0) if len(numbers) else torch.zeros(numbers.shape[1:])
    room = 16 * n * ULP * size.double()
    assert bool(((a.mean - b.mean).abs() <= room).all())
    spread = torch.maximum(a.scale, b.scale)
    # A centre that is off by `room` moves a sum of k-th powers by k times that times a (k-1)-th power.
    offset = room / spread + 64 * n * ULP
    for k in range(3):
        left = a.sums[k] * (a.scale / spread) ** (k + 2)
        right = b.sums[k] * (b.scale / spread) ** (k + 2)
        assert bool(((left - right).abs() <= 4 * (k + 2) * n * (offset + offset ** (k + 2))).all())


numbers = st.lists(
    st.one_of(st.floats(-100, 100), st.floats(-1e150, 1e150), st.sampled_from([0.0, 1.0, -1e150, 1e-150])), max_size=20
)


@given(numbers, numbers)
@settings(max_examples=200, deadline=None)
def test_merged_parts_are_the_whole(left: list[float], right: list[float]) -> None:
    a, b = (torch.tensor(part, dtype=torch.float64).reshape(-1, 1) for part in (left, right))
    whole = torch.cat([a, b])
    close(merge(Moments.of(a), Moments.of(b)), Moments.of(whole), whole)


@given(numbers, st.integers(-400, 400))
@settings(max_examples=100, deadline=None)
def test_powers_of_two_change_nothing_but_the_scale(values: list[float], exponent: int) -> None:
    x = torch.tensor(values, dtype=torch.float64).reshape(-1, 1).clamp(-1e100, 1e100)
    x = torch.where(x.abs() < 1e-100, 0.0, x)
    scaled = Moments.of(x * 2.0**exponent)
    plain = Moments.of(x)
    assert torch.equal(scaled.mean, plain.mean * 2.0**exponent)
    if len(values) > 1 and len(set(values)) > 1:
        assert torch.equal(scaled.skewness.nan_to_num(), plain.skewness.nan_to_num())
        assert torch.equal(scaled.kurtosis.nan_to_num(), plain.kurtosis.nan_to_num())


def test_agrees_with_scipy() -> None:
    x = np.random.default_rng(0).gamma(2.0, size=(500, 7)) + 1e4
    found = Moments.of(torch.from_numpy(x))
    # Numbers near 1e4 with a spread near 1: their own rounding is 1e4 ulp of the spread.
    assert np.allclose(found.variance, x.var(axis=0), rtol=1e5 * ULP, atol=0)
    assert np.allclose(found.skewness, stats.skew(x, axis=0), rtol=1e6 * ULP, atol=0)
    assert np.allclose(found.kurtosis, stats.kurtosis(x, axis=0, fisher=False), rtol=1e6 * ULP, atol=0)
    assert np.allclose(found.second_moment, (x**2).mean(axis=0), rtol=1e3 * ULP, atol=0)


@given(st.integers(1, 40), st.integers(0, 20), st.integers(1, 3), st.integers(1, 3))
@settings(max_examples=60, deadline=None)
def test_groups_hold_the_samples_with_their_numbers(samples: int, start: int, units: int, positions: int) -> None:
    generator = torch.Generator().manual_seed(samples)
    x = torch.randn(samples, units, positions, generator=generator, dtype=torch.float64)
    centre = x.mean(dim=0)
    found = grouped(x - centre, centre, start)
    for group in range(GROUPS):
        own = x[[i for i in range(samples) if (start + i) % GROUPS == group]].movedim(1, 2).reshape(-1, units)
        expected = Moments.of(own)
        part = Moments(found.count[group], found.mean[group], found.scale[group], found.sums[:, group])
        close(part, expected, own)
    flat = x.movedim(1, 2).reshape(-1, units)
    close(found.pooled(0), Moments.of(flat), flat)
    left = found.leaving_one_out()
    for group in range(GROUPS):
        kept = x[[i for i in range(samples) if (start + i) % GROUPS != group]].movedim(1, 2).reshape(-1, units)
        close(
            Moments(left.count[group], left.mean[group], left.scale[group], left.sums[:, group]),
            Moments.of(kept),
            kept,
        )


def test_nothing_and_constants() -> None:
    nothing = Moments.empty(3)
    assert not nothing.variance.any()
    constant = Moments.of(torch.full((5, 3), 2.5))
    assert torch.equal(merge(nothing, constant).mean, torch.full((3,), 2.5, dtype=torch.float64))
    assert not constant.variance.any()
    assert bool(constant.skewness.isnan().all())


def test_constants_away_from_the_centre_have_no_spread() -> None:
    for value in (1e-5 / 3, 0.1, 1e7 / 3):
        deviations = torch.full((10, 1), value, dtype=torch.float64)
        assert not Moments.about(deviations, torch.zeros(1, dtype=torch.float64)).sums.any()


def test_powers_of_two() -> None:
    values = torch.tensor([0.0, 0.75, 1.0, 3.0, 1e150], dtype=torch.float64)
    scale = power_of_two(values)
    assert bool((scale > values).all())
    assert bool((scale <= 2 * values.clamp(min=2.0**-1022)).all())
