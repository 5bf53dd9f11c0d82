"""The dual by quadrature: a power series in the correlation, and two nested integrals where it converges too slowly."""

import math

import numpy as np

from propstats.expectation.dual.panels import TERMS, Array
from propstats.expectation.dual.resolved import Resolved
from propstats.expectation.dual.rotated import rotated

_EPS = float(np.finfo(float).eps)
#: What the series may leave out, relative to the root of `E[f^2] E[g^2]`; its rests are known to 2 ulp.
_ALLOWED = 16 * _EPS
#: Terms of the series in a block.
_BLOCK = 16


def mehler(f: Resolved, g: Resolved, rho: Array) -> tuple[Array, Array]:
    """Return `E[f(u) g(v)] = sum_n f_n g_n rho^n` and a bound on what the series leaves out.

    By Cauchy-Schwarz that is at most `|rho|^N` times the root of what both series leave out at rho = 1.

    Args:
        f: The first function.
        g: The second function.
        rho: Correlations, shape (n).

    References:
        Mehler 1866; O'Donnell 2014, "Analysis of Boolean Functions", Proposition 11.33.

    >>> from propstats.expectation.dual.resolved import resolve
    >>> cube = resolve(lambda z: z**3, np.empty(0))
    >>> value, bound = mehler(cube, cube, np.array([0.5]))
    >>> float(value[0].round(12)), bool(bound[0] < 1e-15)  # 9 rho + 6 rho^3
    (5.25, True)
    """
    # Powers within a block, then Horner over the blocks.
    powers = np.power.outer(rho, np.arange(_BLOCK))
    with np.errstate(all="ignore"):
        sums = powers @ (f.hermite * g.hermite).reshape(-1, _BLOCK).T
        step, value = rho**_BLOCK, sums[:, -1]
        for column in sums.T[-2::-1]:
            value = value * step + column
        return value, math.sqrt(f.rest * g.rest) * np.abs(rho) ** TERMS


def quadrature_dual(f: Resolved, g: Resolved, rho: Array) -> tuple[Array, Array]:
    """Return `E[f(u) g(v)]` for standard normal u and v, and a bound on what was left out and on rounding.

    The bound does not cover the rules themselves: that takes a second pair of functions with more nodes.

    Args:
        f: The first function.
        g: The second function.
        rho: Correlations, shape (n).

    >>> from propstats.expectation.dual.resolved import resolve
    >>> relu = resolve(lambda z: np.maximum(z, 0.0), np.zeros(1))
    >>> quadrature_dual(relu, relu, np.array([0.5, 1.0]))[0].round(12).tolist()  # Cho & Saul 2009
    [0.304498890522, 0.5]
    """
    value, left_out = mehler(f, g, rho)
    slow = left_out > _ALLOWED * f.norm * g.norm
    for here, sign in ((slow & (rho >= 0), 1), (slow & (rho < 0), -1)):
        if here.any():
            size = np.abs(rho[here])
            other = g if sign > 0 else g.mirrored
            value[here] = rotated(f, other, np.sqrt(size), np.sqrt(1.0 - size), nodes=f.nodes - 4)
            left_out[here] = 0.0
    rounding = f.noise * g.norm + f.norm * g.noise + 4 * _EPS * f.norm * g.norm
    return value, left_out + rounding
