"""The correlation of units: known by construction, unbiased at few samples, the same however data are split."""

import math

import torch

from propstats.auditing.measuring.correlation import UNITS, UnitCorrelation


def equicorrelated(rho: float, units: int, samples: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    common = torch.randn(samples, 1, 1, generator=generator)
    own = torch.randn(samples, units, 1, generator=generator)
    return math.sqrt(rho) * common + math.sqrt(1 - rho) * own


def measured(values: torch.Tensor) -> tuple[float, float, int]:
    found = UnitCorrelation(values.shape[1])
    found.add(values)
    result = found.result
    assert result is not None
    return result.rms, result.error, result.units


def test_known_correlations() -> None:
    for rho in (0.1, 0.5, 0.9):
        # A correlation of n samples has the standard error (1 - rho^2)/sqrt(n), common to all pairs at most.
        rms, _, units = measured(equicorrelated(rho, 20, 4000, seed=1))
        assert units == 20
        assert abs(rms - rho) < 5 * (1 - rho**2) / math.sqrt(2000)


def test_independent_units_are_not_correlated_however_few_samples() -> None:
    squares = []
    for seed in range(40):
        found = UnitCorrelation(30)
        found.add(torch.randn(40, 30, 1, generator=torch.Generator().manual_seed(seed)))
        result = found.result
        assert result is not None
        squares.append(result.rms**2)
    # All samples at once would give 1/40 = 0.025; the products of halves scatter about zero, by 1/20 a pair.
    assert sum(squares) / len(squares) < 5 * (1 / 20) / math.sqrt(30 * 29 / 2)


def test_many_units_are_judged_by_some() -> None:
    rms, error, units = measured(equicorrelated(0.3, 400, 1000, seed=2))
    assert units == UNITS
    assert abs(rms - 0.3) < 5 * (math.hypot(error, (1 - 0.09) / math.sqrt(500)))


def test_merged_parts_are_the_whole() -> None:
    x = equicorrelated(0.4, 6, 100, seed=3).repeat(1, 1, 5)
    whole, left, right = UnitCorrelation(6), UnitCorrelation(6), UnitCorrelation(6)
    whole.add(x)
    left.add(x[:31], 0)
    right.add(x[31:], 31)
    left.merge(right)
    assert torch.equal(left.count, whole.count)
    assert torch.allclose(left.scatter, whole.scatter, rtol=1000 * 2.0**-52, atol=1000 * 2.0**-52)


def test_units_that_do_not_vary_are_left_out() -> None:
    x = torch.zeros(20, 3, 1)
    found = UnitCorrelation(3)
    found.add(x)
    assert found.result is None
    assert UnitCorrelation(5).result is None
