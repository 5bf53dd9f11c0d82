import math
from typing import Any

import mpmath
import numpy as np
import pytest

from propstats.expectation.dual.bivariate import bivariate_cdf, bivariate_size

_EPS = float(np.finfo(float).eps)


def _exact(h: float, k: float, rho: float) -> float:
    """Integrate the density of X times the conditional distribution of Y, with thirty digits."""
    with mpmath.workdps(30):
        mp = mpmath.mp
        left = mp.sqrt((1 - mp.mpf(rho)) * (1 + mp.mpf(rho)))

        def inside(x: Any) -> Any:
            return mp.npdf(x) * mp.ncdf((k - rho * x) / left)

        # The conditional distribution is a step as wide as `left` around k/rho.
        near = [k / rho + sign * left * j / abs(rho) for sign in (-1, 1) for j in (0, 1, 3, 8, 16)] if rho else []
        edges = sorted({h, *(e for e in [-14, -11, -9, -7, -5, -3, -1, 0, 1, 3, 6, 9, *near] if -14 <= e < h)})
        integral: Any = mp.quad(inside, edges)
        return float(integral)


@pytest.mark.parametrize("rho", [-0.999999, -0.5, 0.0, 0.9, 0.999999])
@pytest.mark.parametrize(("h", "k"), [(0.3, -1.2), (1.0, 1.0), (0.0, 0.7), (-6.0, -5.0), (-7.0, 3.0)])
def test_against_thirty_digits(h: float, k: float, rho: float) -> None:
    found = float(bivariate_cdf(h, k, rho))
    # The correlation is rounded, too; what that changes is the joint density, of no more than 1/(2 pi root).
    moved = _EPS * math.exp(-0.5 * max(h * h, k * k)) / (2 * math.pi * math.sqrt(1 - rho * rho))
    assert abs(found - _exact(h, k, rho)) <= 4 * _EPS * float(bivariate_size(h, k, abs(h), abs(k))) + moved


@pytest.mark.parametrize("rho", [-1.0, -0.7, 0.0, 0.7, 1.0])
def test_sheppard(rho: float) -> None:
    """Sheppard 1899: quadrants are 1/4 + asin(rho)/(2 pi)."""
    assert abs(float(bivariate_cdf(0.0, 0.0, rho)) - (0.25 + math.asin(rho) / (2 * math.pi))) <= 2 * _EPS


@pytest.mark.parametrize("rho", [-1.0, -0.6, 0.0, 0.6, 1.0])
@pytest.mark.parametrize("zero", [0.0, -0.0])
def test_the_sign_of_a_zero_means_nothing(zero: float, rho: float) -> None:
    """P(X <= 0, Y <= k) and P(X <= 0, Y <= -k) with the correlation reversed add up to P(X <= 0)."""
    k = np.array([-6.0, -0.5, 0.5, 6.0])
    for both in (bivariate_cdf(zero, k, rho) + bivariate_cdf(zero, -k, -rho),
                 bivariate_cdf(k, zero, rho) + bivariate_cdf(-k, zero, -rho)):  # fmt: skip
        assert np.all(np.abs(both - 0.5) <= 4 * _EPS)
    assert bivariate_cdf(zero, -np.inf, rho) == bivariate_cdf(-np.inf, zero, rho) == 0.0


def test_perfect_correlation_is_the_smaller_one() -> None:
    h, k = np.array([1.0, -0.5, -3.0, 2.0]), np.array([0.5, -0.5, 1.0, -2.0])
    both, either = bivariate_cdf(h, k, 1.0), bivariate_cdf(h, k, -1.0)
    phi_h, phi_k = bivariate_cdf(h, np.inf, 0.0), bivariate_cdf(k, np.inf, 0.0)
    assert np.all(np.abs(both - np.minimum(phi_h, phi_k)) <= 2 * _EPS)
    assert np.all(np.abs(either - np.maximum(phi_h + phi_k - 1, 0.0)) <= 2 * _EPS)


def test_the_complement_is_believed() -> None:
    """Where 1 - rho^2 is below an ulp of 1, only the complement tells."""
    known = bivariate_cdf(-1e-9, 1e-9, 1.0, 1e-18)
    assert known < 0.5 - 1e-10
    assert bivariate_cdf(-1e-9, 1e-9, 1.0) > 0.5 - 4.1e-10
