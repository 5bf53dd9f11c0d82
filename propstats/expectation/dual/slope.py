"""The derivative of the dual in the correlation: by Price's theorem it is the dual of the slopes."""

import math
from typing import overload

import numpy as np
from numpy.typing import ArrayLike

from propstats.activations.activation import Activation
from propstats.expectation.dual.expect import Pair, best, correlations, density, shaped
from propstats.expectation.dual.input import Input, inputs
from propstats.expectation.dual.panels import Array


@overload
def dual_slope(
    phi: Activation, psi: Activation | None = ..., *, mean: Pair = ..., std: Pair = ..., correlation: float
) -> float: ...
@overload
def dual_slope(
    phi: Activation, psi: Activation | None = ..., *, mean: Pair = ..., std: Pair = ..., correlation: ArrayLike
) -> float | Array: ...
def dual_slope(
    phi: Activation,
    psi: Activation | None = None,
    *,
    mean: Pair = 0.0,
    std: Pair = 1.0,
    correlation: ArrayLike,
) -> float | Array:
    """Return the derivative of the dual in the correlation, `s_u s_v E[phi'(u) psi'(v)]`.

    Where phi jumps, its derivative contains a delta, and the expectation is one given that u is there. Two deltas
    leave the joint density, which is infinite at rho = 1 if they coincide.

    Args:
        phi: The activation at u.
        psi: The activation at v; phi if left out.
        mean: Mean of u and v, or one for each.
        std: Standard deviation of u and v, or one for each; not negative.
        correlation: Their correlation, in [-1, 1]; a number or an array.

    Raises:
        DomainError: As `dual`.

    References:
        Price 1958, "A useful theorem for nonlinear devices having Gaussian inputs".

    >>> from propstats.activations import activation
    >>> round(dual_slope(activation("relu"), correlation=0.5), 12)  # (pi - acos(1/2))/(2 pi)
    0.333333333333
    >>> round(dual_slope(activation("step"), correlation=0.0), 12)  # 1/(2 pi)
    0.159154943092
    """
    first, second = inputs(phi, psi, mean, std)
    rho = correlations(correlation)
    if first.std == 0.0 or second.std == 0.0:
        return shaped(np.zeros(rho.shape), correlation)
    total = first.std * second.std * best(first.slope, second.slope, rho)
    for one, other in ((first, second), (second, first)):
        for kink, jump in one.jumps:
            total += jump * other.std * density(kink) * _given(other.slope, kink, rho)
    for kink, jump in first.jumps:
        for other_kink, other_jump in second.jumps:
            total += jump * other_jump * _joint_density(kink, other_kink, rho)
    return shaped(total, correlation)


def _given(function: Input, z: float, rho: Array) -> Array:
    """Return the expectation of a function of v given the value z of the other variable."""
    # At perfect correlation a hair's breadth stays, which takes the mean of both sides of a kink there.
    spread = np.maximum(np.sqrt((1.0 - rho) * (1.0 + rho)), 1e-13)
    return function.resolved.given(rho * z, spread)


def _joint_density(x: float, y: float, rho: Array) -> Array:
    """Return the density of two standard normal variables at (x, y)."""
    size, side = np.abs(rho), np.copysign(1.0, rho)
    with np.errstate(divide="ignore", invalid="ignore"):
        left = (1.0 - size) * (1.0 + size)
        apart = (x - side * y) ** 2
        # At perfect correlation, deltas that are apart do not meet, and those that are not do so infinitely densely.
        gap = np.where(apart > 0.0, apart / left, 0.0)
        found = np.exp(-0.5 * gap - side * x * y / (1.0 + size)) / (2 * math.pi * np.sqrt(left))
        return np.where(np.isinf(gap), 0.0, found)
