"""Expectations of any function under many Gaussians at once."""

from collections.abc import Callable

import numpy as np

from propstats.expectation.quadrature.panels import FINE, SQRT_2PI, breakpoints
from propstats.expectation.quadrature.rule import Array, gauss_legendre

#: Where the integral over z is cut off: exp(-12^2/2) < 1e-31.
_Z_END = 12.0


def expect(
    f: Callable[[Array], Array], *, mean: Array | float, std: Array | float, kinks: tuple[float, ...] = ()
) -> Array:
    """Return `E[f(x)]` for many Gaussians at once, without an error: for use inside other integrals.

    The panels are those of `breakpoints`, with the kinks moved for each Gaussian; for integrands that change on a
    scale of 1 or slower this is good to about 1e-12.

    Args:
        f: The integrand, elementwise.
        mean: Means, shape (*batch).
        std: Standard deviations, broadcastable to (*batch); 0 is allowed.
        kinks: Where f is not smooth.

    >>> expect(np.abs, mean=np.zeros(2), std=np.array([1.0, 2.0]), kinks=(0.0,)).round(12).tolist()
    [0.797884560803, 1.595769121606]
    """
    mean, std = np.broadcast_arrays(np.asarray(mean, dtype=float), np.asarray(std, dtype=float))
    grid = breakpoints(0.0, float(std.max(initial=1.0)), (), ((0.0, 1.0),))
    grid = grid[np.abs(grid) <= _Z_END]
    with np.errstate(divide="ignore", invalid="ignore"):
        moved = (np.asarray(kinks, dtype=float) - mean[..., None]) / std[..., None]
    moved = np.clip(np.nan_to_num(moved, nan=0.0), grid[0], grid[-1])
    edges = np.sort(np.concatenate([np.broadcast_to(grid, (*mean.shape, grid.size)), moved], axis=-1), axis=-1)
    nodes, weights = gauss_legendre(FINE)
    left, width = edges[..., :-1, None], np.diff(edges)[..., None]
    z = left + width * nodes
    density = np.exp(-0.5 * z * z) * (width * weights / SQRT_2PI)
    with np.errstate(over="ignore", under="ignore"):
        values = f(mean[..., None, None] + std[..., None, None] * z)
    return np.asarray((values * density).sum(axis=(-2, -1)))
