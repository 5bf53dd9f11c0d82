"""Gauss's nodes and weights, and what follows from them by interpolation, against exact polynomials."""

import math

import mpmath
import numpy as np
import pytest

from propstats.expectation.quadrature.rule import antiderivative, derivative, gauss_legendre, interpolation

EPS = 2.0**-52


@pytest.mark.parametrize("n", [1, 2, 3, 16, 24, 26, 30])
def test_each_number_is_the_nearest_double(n: int) -> None:
    nodes, weights = gauss_legendre(n)
    with mpmath.workdps(40):
        for node, weight in zip(nodes.tolist(), weights.tolist(), strict=True):
            exact = mpmath.findroot(lambda x: mpmath.legendre(n, x), 2 * node - 1) if n > 1 else mpmath.mpf(0)
            slope = mpmath.diff(lambda x: mpmath.legendre(n, x), exact)
            assert node == float((1 + exact) / 2)
            assert abs(weight - float(1 / ((1 - exact**2) * slope**2))) <= EPS * weight


@pytest.mark.parametrize("n", [1, 5, 24])
def test_exact_for_degree_2n_minus_1(n: int) -> None:
    nodes, weights = gauss_legendre(n)
    for power in range(2 * n):
        # A sum of n positive terms, each with the rounding of a power.
        assert math.isclose(nodes**power @ weights, 1 / (power + 1), rel_tol=(power + 4) * EPS)


def test_interpolation_and_calculus_of_a_polynomial() -> None:
    n, m = 8, 5
    t, other = gauss_legendre(n)[0], gauss_legendre(m)[0]
    values = t**7 - 3 * t**2
    # Lebesgue constants of eight nodes are below ten.
    allowed = 100 * EPS
    assert np.abs(values @ interpolation(n, m) - (other**7 - 3 * other**2)).max() < allowed
    both = np.concatenate([t, other])
    assert np.abs(values @ antiderivative(n, m) - (both**8 / 8 - both**3)).max() < allowed
    assert np.abs(values @ derivative(n) - (7 * t**6 - 6 * t)).max() < 2 * n * n * allowed  # Markov's inequality
