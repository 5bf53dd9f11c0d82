"""The expectation of an activation at two correlated inputs."""

import math

import numpy as np
from numpy.typing import NDArray

from propstats.activations.activation import Activation
from propstats.expectation.quadrature import expect


def dual(activation: Activation, *, mean: float, std: float, correlation: float) -> float:
    """Return `E[phi(u) phi(v)]` for two Gaussians of the same mean and variance.

    Given their common part `w`, u and v are independent and alike, so this is `E[g(w)^2]` with
    `g(w) = E[phi(u) | w]`: two nested integrals, of which the outer one is smooth.

    Args:
        activation: phi.
        mean: Mean of u and v.
        std: Standard deviation of u and v.
        correlation: Their correlation, in [0, 1].

    >>> from propstats.activations import activation
    >>> round(dual(activation("relu"), mean=0.0, std=1.0, correlation=0.5), 12)  # Cho & Saul 2009
    0.304498890522
    """
    own = std * math.sqrt(max(1.0 - correlation, 0.0))
    common = std * math.sqrt(correlation)

    def squared_mean(w: NDArray[np.float64]) -> NDArray[np.float64]:
        return expect(activation, mean=w, std=own, kinks=activation.kinks) ** 2

    # Where the inner average is narrow, the outer integrand still bends around the kinks.
    bends = tuple(kink + offset * own for kink in activation.kinks for offset in (-8, -4, -2, 0, 2, 4, 8))
    return float(expect(squared_mean, mean=mean, std=common, kinks=bends))
