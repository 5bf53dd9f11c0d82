"""Gauss-Legendre nodes and weights, correctly rounded, and what follows from them by interpolation."""

from decimal import Decimal, localcontext
from functools import cache

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_DIGITS = 40


@cache
def gauss_legendre(n: int) -> tuple[Array, Array]:
    """Return the nodes and weights of the n-point rule on [0, 1], each the double next to the exact number.

    numpy's own weights are off by up to 1e-15 for some n, which would be the largest error of all: here two steps of
    Newton's method from its nodes are done with forty digits.

    Args:
        n: Number of nodes; the rule is exact for polynomials of degree 2 n - 1.

    >>> nodes, weights = gauss_legendre(2)
    >>> nodes.round(12).tolist(), weights.tolist()
    ([0.211324865405, 0.788675134595], [0.5, 0.5])
    """
    nodes, weights = np.empty(n), np.empty(n)
    with localcontext() as context:
        context.prec = _DIGITS
        for i, start in enumerate(np.polynomial.legendre.leggauss(n)[0].tolist()):
            x = Decimal(start)
            for _ in range(2):
                value, slope = _legendre(n, x)
                x -= value / slope
            slope = _legendre(n, x)[1]
            nodes[i], weights[i] = float((1 + x) / 2), float(1 / ((1 - x * x) * slope * slope))
    return nodes, weights


def _legendre(n: int, x: Decimal) -> tuple[Decimal, Decimal]:
    """Return the Legendre polynomial of degree n and its derivative."""
    low, here = Decimal(1), x
    for k in range(2, n + 1):
        low, here = here, ((2 * k - 1) * x * here - (k - 1) * low) / k
    return here, n * (x * here - low) / (x * x - 1)


@cache
def _coefficients(n: int) -> Array:
    """Return the matrix from values at the nodes to Legendre coefficients: the rule is exact for these integrals."""
    nodes, weights = gauss_legendre(n)
    return np.asarray(
        np.polynomial.legendre.legvander(2 * nodes - 1, n - 1) * weights[:, None] * (2 * np.arange(n) + 1)
    )


@cache
def interpolation(n: int, m: int) -> Array:
    """Return the matrix from values at n nodes to those of their polynomial at m other nodes; shape (n, m)."""
    return interpolation_at(n, gauss_legendre(m)[0])


def interpolation_at(n: int, places: Array) -> Array:
    """Return the matrix from values at n nodes to those of their polynomial at places of [0, 1]; shape (n, places)."""
    return np.asarray(_coefficients(n) @ np.polynomial.legendre.legvander(2 * places - 1, n - 1).T)


@cache
def antiderivative(n: int, m: int) -> Array:
    """Return the matrix from values at n nodes to integrals from 0 to these and to m other nodes; shape (n, n + m)."""
    legendre = np.polynomial.legendre
    points = 2 * np.concatenate([gauss_legendre(n)[0], gauss_legendre(m)[0]]) - 1
    integrals = np.stack([legendre.legval(points, legendre.legint(row, lbnd=-1)) for row in np.eye(n)])
    return np.asarray(_coefficients(n) @ integrals / 2)


@cache
def derivative(n: int) -> Array:
    """Return the matrix from values at n nodes to the derivative of their polynomial there; shape (n, n)."""
    legendre = np.polynomial.legendre
    points = 2 * gauss_legendre(n)[0] - 1
    slopes = np.stack([legendre.legval(points, legendre.legder(row)) for row in np.eye(n)])
    return np.asarray(2 * _coefficients(n) @ slopes)
