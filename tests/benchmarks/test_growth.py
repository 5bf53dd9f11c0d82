"""Exponents of growth: fitted right, with their errors, and flagged only where they are too large."""

import math

import numpy as np
import pytest
from benchmarks.growth import CASES, Fit, fit


@pytest.mark.parametrize("exponent", [0.0, 1.0, 2.0, 3.0])
def test_a_power_law_has_its_exponent(exponent: float) -> None:
    sizes = [16, 32, 64, 128]
    found = fit(sizes, [3e-4 * size**exponent for size in sizes])
    assert math.isclose(found.exponent, exponent, abs_tol=1e-12)
    assert found.error < 1e-7


def test_the_error_is_the_standard_error_of_the_slope() -> None:
    """Over many draws, exponents scatter as much as their errors say: Student's t of two degrees of freedom."""
    generator, sizes = np.random.default_rng(0), np.array([1.0, 2.0, 4.0, 8.0])
    scores = []
    for _ in range(2000):
        found = fit(sizes.tolist(), (sizes * 2.0 ** generator.normal(0.0, 0.1, 4)).tolist())
        scores.append((found.exponent - 1.0) / found.error)
    # 4.303 is exceeded once in twenty; five standard errors of 2000 such counts.
    assert abs(np.mean(np.abs(scores) > 4.303) - 0.05) < 5 * math.sqrt(0.05 * 0.95 / 2000)


def test_a_square_is_flagged_and_noise_is_not() -> None:
    assert Fit(2.0, 0.1).is_above(1.0)
    assert not Fit(1.3, 0.2).is_above(1.0)
    assert not Fit(1.1, 0.001).is_above(1.0)
    assert not Fit(0.5, 0.1).is_above(1.0)


def test_every_case_has_sizes_enough_for_a_fit() -> None:
    assert all(len(case.sizes) >= 4 for case in CASES)
    assert all(list(case.sizes) == [case.sizes[0] * 2**k for k in range(len(case.sizes))] for case in CASES)
