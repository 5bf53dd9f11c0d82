"""Statistics of a stream: NumPy agrees, shards merge to the whole, and errors are those of independent samples."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from propstats.auditing.measuring.statistics import SquareMean, UnitStatistics

#: Sums of `n` doubles differ by at most n ulp of the sum of their sizes.
ULP = 2.0**-52


def measured(x: torch.Tensor, *cuts: int) -> UnitStatistics:
    found = UnitStatistics()
    for first, last in zip([0, *cuts], [*cuts, len(x)], strict=True):
        found.add(x[first:last])
    return found


def images(samples: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(samples, 3, 4, 5, generator=generator).exp()


def same(a: UnitStatistics, b: UnitStatistics, numbers: int) -> None:
    room = 64 * numbers * ULP
    for name in ("unit_means", "unit_variances"):
        assert torch.allclose(getattr(a, name), getattr(b, name), rtol=room, atol=room)
    # (`pooled_spread`, which only gives an error, is about the mean of its own batch.)
    for name in ("pooled_mean", "pooled_square", "agreement"):
        left, right = getattr(a, name), getattr(b, name)
        assert left.count == right.count
        assert left.mean == pytest.approx(right.mean, rel=room, abs=room)
    assert a.units is not None
    assert b.units is not None
    for name in ("mean", "variance", "skewness", "kurtosis"):
        assert torch.allclose(getattr(a.units, name), getattr(b.units, name), rtol=1e3 * room, atol=1e3 * room)
    assert torch.equal(a.quantiles.counts, b.quantiles.counts)
    assert (a.numbers, a.count, a.non_finite) == (b.numbers, b.count, b.non_finite)


def test_agrees_with_numpy() -> None:
    x = images(100)
    found = measured(x, 17, 64)
    y = x.double().numpy()
    channels = y.transpose(1, 0, 2, 3).reshape(3, -1)
    assert found.units is not None
    assert np.allclose(found.units.mean, channels.mean(axis=1), rtol=1e-13)
    assert np.allclose(found.units.variance, channels.var(axis=1), rtol=1e-13)
    assert np.allclose(np.sort(found.unit_variances), np.sort(y.var(axis=0).ravel()), rtol=1e-12)
    assert found.q == pytest.approx((y**2).mean(), rel=1e-13)
    assert found.var == pytest.approx(y.var(axis=0).mean(), rel=1e-13)
    by_sample = (y**2).reshape(100, -1).mean(axis=1)
    assert found.pooled_square.error == pytest.approx(by_sample.std(ddof=1) / 10, rel=1e-12)
    assert found.agreement.mean == 1.0
    assert found.zero_share == 0.0


@given(st.integers(1, 59), st.integers(0, 5))
@settings(max_examples=30, deadline=None)
def test_shards_merge_to_the_whole(cut: int, seed: int) -> None:
    x = images(60, seed)
    left, right = UnitStatistics(), UnitStatistics()
    left.add(x[:cut], start=0)
    right.add(x[cut:], start=cut)
    nothing = UnitStatistics()
    nothing.merge(left)
    nothing.merge(right)
    nothing.merge(UnitStatistics())
    same(nothing, measured(x), x.numel())


def test_the_order_of_samples_does_not_matter() -> None:
    x = images(60)
    order = torch.randperm(60, generator=torch.Generator().manual_seed(1))
    a, b = measured(x), measured(x[order])
    same(a, b, x.numel())


def test_scale_equivariance() -> None:
    x = images(60)
    a, b = measured(x), measured(x * 4)
    assert b.q == 16 * a.q
    assert b.var == 16 * a.var
    assert a.correlation == b.correlation
    assert a.agreement.mean == b.agreement.mean


def test_precision_far_from_zero() -> None:
    """Float32 squares would lose everything: 1e4**2 has a rounding of 8, the variance is 9."""
    x = 1e4 + 3 * torch.randn(2000, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    found = measured(x, 700).units
    assert found is not None
    assert np.allclose(found.variance, x.numpy().var(axis=0), rtol=1e4 * 2000 * ULP)


def test_errors_come_from_samples_not_from_positions() -> None:
    """All positions of a sample are the same: as many numbers, no more knowledge."""
    x = torch.randn(50, 2, 1, 1, generator=torch.Generator().manual_seed(0))
    one, many = measured(x), measured(x.expand(-1, -1, 8, 8).contiguous())
    assert many.pooled_mean.error == pytest.approx(one.pooled_mean.error, rel=1e-5)
    assert many.pooled_square.error == pytest.approx(one.pooled_square.error, rel=1e-5)


def test_non_finite_numbers_are_counted_and_nothing_else() -> None:
    x = images(20)
    x[3, 0, 0, 0], x[5, 1, 0, 0] = math.nan, math.inf
    found = measured(x, 10)
    assert (found.non_finite, found.is_finite, found.units, found.correlation) == (2, False, None, None)
    huge = measured(torch.full((4, 3), 3e38))  # the sum overflows, the numbers do not
    assert huge.non_finite == 0
    assert huge.is_finite


def test_shapes_must_not_change() -> None:
    found = measured(images(4))
    with pytest.raises(ValueError, match="7 units after 60"):
        found.add(torch.zeros(4, 7))
    with pytest.raises(ValueError, match="7 units after 60"):
        found.merge(measured(torch.zeros(4, 7)))


def test_gradients() -> None:
    x = images(30) - 1
    found, left, right = SquareMean(), SquareMean(), SquareMean()
    found.add(x)
    left.add(x[:11])
    right.add(x[11:])
    left.merge(right)
    squares = (x.double() ** 2).reshape(30, -1).mean(dim=1)
    assert found.running.mean == pytest.approx(float(squares.mean()), rel=1e-13)
    assert left.running.mean == pytest.approx(found.running.mean, rel=1e-13)
    assert left.running.error == pytest.approx(found.running.error, rel=1e-10)
    found.add(torch.full((2, 3), math.nan))
    assert (found.is_measured, found.non_finite) == (False, 6)
