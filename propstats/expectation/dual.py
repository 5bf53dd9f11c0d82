"""Expectations of an activation at two correlated inputs.

Given their common part `w`, two Gaussians `u = w + s y`, `v = w + s y'` of the same law are independent and alike.
With `g(w) = E[phi(u) | w]` that gives `E[phi(u) phi(v)] = E[g(w)^2]`, and
`E[(phi(u) - phi(v))^2]/2 = E[Var(phi(u) | w)]`: two nested integrals, of which the outer one is smooth.
"""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from propstats.activations.activation import Activation
from propstats.expectation.quadrature import expect

Array = NDArray[np.float64]


def dual(activation: Activation, *, mean: float, std: float, correlation: float) -> float:
    """Return `E[phi(u) phi(v)]` for two Gaussians of the same mean and variance.

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

    def squared_mean(w: Array) -> Array:
        return expect(activation, mean=w, std=own, kinks=activation.kinks) ** 2

    return _outer(squared_mean, activation, mean, std * math.sqrt(correlation), own)


def difference(activation: Activation, *, mean: float, common: float, own: float) -> float:
    """Return `E[(phi(u) - phi(v))^2]/2`, which stays accurate where u and v are almost the same.

    Args:
        activation: phi.
        mean: Mean of u and v.
        common: Standard deviation of what they share.
        own: Standard deviation of what each has for itself.

    >>> from propstats.activations import activation
    >>> round(difference(activation("tanh"), mean=0.0, common=1.0, own=1e-5) / 1e-10, 8)  # E[tanh'^2]
    0.4644029
    """

    def conditional_variance(w: Array) -> Array:
        centre = expect(activation, mean=w, std=own, kinks=activation.kinks)[..., None, None]
        return expect(lambda x: (activation(x) - centre) ** 2, mean=w, std=own, kinks=activation.kinks)

    return _outer(conditional_variance, activation, mean, common, own)


def _outer(f: Callable[[Array], Array], activation: Activation, mean: float, common: float, own: float) -> float:
    """Integrate over the common part; where the inner average is narrow, this integrand still bends at the kinks."""
    bends = tuple(kink + offset * own for kink in activation.kinks for offset in (-8, -4, -2, 0, 2, 4, 8))
    return float(expect(f, mean=mean, std=common, kinks=bends))
