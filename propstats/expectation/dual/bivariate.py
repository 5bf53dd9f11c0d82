"""The bivariate normal distribution function, for many arguments at once and up to perfect correlation."""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


def bivariate_cdf(
    h: ArrayLike, k: ArrayLike, rho: ArrayLike, complement: ArrayLike | None = None, *, twins: bool = False
) -> Array:
    """Return `P(X <= h, Y <= k)` for two standard normal variables of correlation rho.

    `P = (Phi(h) + Phi(k))/2 - T(h, a) - T(k, b) - [hk < 0 or hk = 0 and h + k < 0]/2` with Owen's T,
    `a = (k - rho h)/(h sqrt(1 - rho^2))` and `b = (h - rho k)/(k sqrt(1 - rho^2))`.

    Args:
        h: First argument; finite or infinite.
        k: Second argument; shapes broadcast.
        rho: Correlation, in [-1, 1].
        complement: `1 - rho^2`, where it is known better than from rho.
        twins: Whether h and k are the same, along the first and the second axis: half of the work is saved.

    Returns:
        The probability, good to some ulp of `bivariate_size`.

    References:
        Owen 1956, "Tables for computing bivariate normal probabilities", Eq. 2.1.

    >>> float(bivariate_cdf(0.0, 0.0, 0.5))  # 1/4 + asin(1/2)/(2 pi), Sheppard 1899
    0.333333...
    >>> bivariate_cdf(1.0, [1.0, -1.0], [1.0, -1.0]).round(6).tolist()  # Phi(1), 0
    [0.841345, 0.0]
    """
    from scipy.special import owens_t

    h, k, rho = (np.asarray(x, dtype=float) + 0.0 for x in (h, k, rho))  # no -0: its sign would decide that of a
    size = np.abs(rho)
    if complement is None:
        complement = (1.0 - size) * (1.0 + size)
    root = np.sqrt(complement)
    h_is_zero = h == 0
    origin = h_is_zero & (k == 0) if h_is_zero.any() else None
    if origin is not None and origin.all():
        return np.asarray(0.25 + np.arctan2(rho, root) / (2 * math.pi))
    # k - rho h as a small difference plus a small product: exact where rho is almost one and h almost k.
    side = np.copysign(1.0, rho)
    mirrored = side * h
    gap, rest = k - mirrored, np.asarray(complement) / (1.0 + size)
    with np.errstate(divide="ignore", invalid="ignore"):
        a = (gap + rest * mirrored) / (h * root)
        b = a if twins else (rest * k - gap) / (side * k * root)
    # Left undefined are the line h = +-k of a perfect correlation, where T vanishes or cancels, and the origin.
    half = 0.5 * _tail(h, k) - owens_t(h, np.where(np.isnan(a), 0.0, a))
    if twins:
        result = half + (half.swapaxes(0, 1) if half.ndim == 3 else half)
    else:
        result = half + (0.5 * _tail(k, h) - owens_t(k, np.where(np.isnan(b), 0.0, b)))
    if origin is not None:
        result = np.where(origin, 0.25 + np.arctan2(rho, root) / (2 * math.pi), result)
    return np.asarray(np.minimum(np.maximum(result, 0.0), 1.0))


def bivariate_size(h: ArrayLike, k: ArrayLike, size_h: ArrayLike, size_k: ArrayLike) -> Array:
    """Return what the rounding of `bivariate_cdf` is proportional to.

    Args:
        h: First argument.
        k: Second argument.
        size_h: The sum behind h, to which its own rounding is proportional; `|h|` at least.
        size_k: The same for k.

    >>> bool(bivariate_size(-8.0, -8.0, 8.0, 8.0) < 1e-12)  # small probabilities keep their digits
    True
    """
    h, k, size_h, size_k = (np.asarray(x, dtype=float) for x in (h, k, size_h, size_k))
    first, second = _tail(h, k), _tail(k, h)
    # The derivatives in h and k are at most the densities; that in the slopes a and b of Owen's T, too.
    around = (1 + size_h) * np.exp(-0.5 * h * h) + (1 + size_k) * np.exp(-0.5 * k * k)
    return np.asarray(np.abs(first) + np.abs(second) + around)


def _tail(h: Array, k: Array) -> Array:
    """Return Phi(h), less 1 if it is the larger one and the signs differ: small wherever the probability is."""
    from scipy.special import ndtr

    sign = np.where((h >= 0) & (k < 0), -1.0, 1.0)
    return np.asarray(sign * ndtr(sign * h))
