"""The largest of a window of Gaussians, as a function that does not fall sees it, for one input and for two.

`phi(max x) = max phi(x)` for such a function, so that what a max pool behind an activation hands on, and what it sends
back through it, are expectations over the law of the largest of n equally correlated Gaussians.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from propstats.activations import Activation
from propstats.expectation import quadrature

Array = NDArray[np.float64]

#: Nodes of what windows have in common, and of the correlation inside one.
_COMMON_NODES, _INSIDE_NODES = 20, 100
#: Where the largest of n deviates lies, and the step of its trapezoid rule.
_LOW, _HIGH, _STEP = -6.0, 8.0, 0.05


@dataclass(frozen=True, slots=True)
class Correlations:
    """Correlations of the Gaussians: of two positions, of two inputs, and of two positions of two inputs."""

    positions: float
    inputs: float
    both: float


@dataclass(frozen=True, slots=True)
class Largest:
    """Moments of `phi(max x)` over a window.

    Args:
        mean: Mean.
        q: Second moment.
        slope: `E[phi'(max x)^2]`: what of a squared gradient passes the activation behind it.
        var: Half the mean squared difference of two inputs' windows.
        same: Mean product of two windows of one input that share no position.
        other: The same of two inputs.
    """

    mean: float
    q: float
    slope: float
    var: float
    same: float
    other: float


def largest(act: Activation, inputs: int, mean: float, std: float, given: Correlations) -> Largest:
    """Return the moments of the largest of a window of `phi(x)`, `x ~ N(mean, std^2)`, equally correlated.

    With `x = mean + std (sqrt(r_b) Z + sqrt(r_p - r_b) Z_a + sqrt(1 - r_p) e_i)`, Z common to all inputs and Z_a to the
    positions of one, all but `var` are integrals: by symmetry the density of the largest is that of one x times
    `n E[Phi(sqrt(1 - r_p) z - sqrt(r_p) xi)^(n-1)]`. Of two inputs, the e_i are correlated by `(r_i - r_b)/(1 - r_p) =
    cos t`; `var` is a polynomial of degree 4 in t with the exact value and slope at 0 and pi/2, where the windows'
    deviations are the same and where they are independent. Between, `var` is off by up to 2 % for ReLU and the
    identity; by up to 20 % where the function is bounded and the largest saturates it (tanh behind nine independent
    positions).

    Args:
        act: phi, which must not fall.
        inputs: n, how many positions the window holds.
        mean: Mean of the Gaussians.
        std: Their standard deviation.
        given: Their correlations; those below 0 count as 0.

    References:
        David & Nagaraja 2003, Order Statistics, section 5.3 (equally correlated normal variates).

    >>> from propstats.activations import activation
    >>> found = largest(activation("identity"), 4, 0.0, 1.0, Correlations(0.0, 0.0, 0.0))
    >>> round(found.mean, 9), round(found.q, 9)  # 6 atan(sqrt 2)/pi^1.5 and 1 + sqrt(3)/pi
    (1.029375373, 1.551328895)
    """
    within = min(max(given.positions, 0.0), 1.0)
    both = min(max(given.both, 0.0), within)
    own = 1.0 - within
    cosine = min(max((given.inputs - both) / own, 0.0), 1.0) if own > 0.0 else 1.0
    moments = [_expected(f, inputs, within, mean, std, act.kinks) for f in _powers(act)]
    common, common_weights = _normal(both)
    inner, inner_weights = _normal(within - both)
    deviate = np.arange(_LOW, _HIGH, _STEP) if own > 0.0 and inputs > 1 else np.array([0.0])
    weights = _weights_of_largest(deviate, inputs) if deviate.size > 1 else np.ones(1)
    if own > 0.0 and inputs == 1:
        deviate, weights = _normal(1.0, _INSIDE_NODES)
    # Axes: what all inputs share, what one input's positions share, the largest deviation.
    x = mean + std * (common[:, None, None] + inner[:, None] + math.sqrt(own) * deviate)
    values, slopes = act(x), act.slope(x) * std * math.sqrt(own)

    def over_inner(y: Array) -> Array:
        return np.asarray(np.einsum("abc,b->ac", y, inner_weights))

    def over_rest(y: Array) -> float:
        return float(common_weights @ y @ weights)

    average, steep = over_inner(values), over_inner(slopes)
    apart = over_rest(over_inner(np.square(values - average[:, None])))
    other = float(common_weights @ np.square(average @ weights))
    together = over_rest(np.square(average))
    same = float(common_weights @ np.square(values @ weights) @ inner_weights)
    # Windows that have nothing in common but Z have their largest at the same place with probability 1/n.
    apart_slope = float(common_weights @ np.square(steep @ weights)) / inputs
    lost = _lost(math.acos(cosine), together - other, over_rest(np.square(steep)), apart_slope)
    return Largest(moments[0], moments[1], moments[2], apart + lost, same, other)


def _powers(act: Activation) -> tuple[Callable[[Array], Array], ...]:
    return (act, lambda x: np.square(act(x)), lambda x: np.square(act.slope(x)))


def _expected(
    f: Callable[[Array], Array], inputs: int, within: float, mean: float, std: float, kinks: tuple[float, ...]
) -> float:
    """Return `E[f(max x)]`."""
    from scipy.special import ndtr

    xi, weights = _normal(within, _INSIDE_NODES)

    def integrand(x: Array) -> Array:
        z = (x - mean) / std if std > 0.0 else np.zeros_like(x)
        below = ndtr(math.sqrt(1.0 - within) * z[..., None] - xi) ** (inputs - 1)
        return f(x) * (inputs * (below @ weights) if within < 1.0 and std > 0.0 else 1.0)

    return float(quadrature.expect(integrand, mean=mean, std=std, kinks=kinks))


def _normal(variance: float, count: int = _COMMON_NODES) -> tuple[Array, Array]:
    """Return nodes and weights of `N(0, variance)`."""
    if variance <= 0.0:
        return np.zeros(1), np.ones(1)
    nodes, weights = np.polynomial.hermite_e.hermegauss(count)
    return math.sqrt(variance) * nodes, weights / weights.sum()


def _weights_of_largest(deviate: Array, inputs: int) -> Array:
    """Return the weights of a trapezoid rule over the law of the largest of n independent N(0, 1)."""
    from scipy.special import ndtr

    weights = np.exp(-0.5 * np.square(deviate)) * ndtr(deviate) ** (inputs - 1)
    return np.asarray(weights / weights.sum())


def _lost(angle: float, whole: float, slope_together: float, slope_apart: float) -> float:
    """Return what the mean product of two windows loses as their deviations turn away from each other.

    Args:
        angle: t, from 0 to pi/2.
        whole: What it loses at pi/2.
        slope_together: Minus its derivative in `cos t` at 0.
        slope_apart: The same at pi/2.
    """
    end = math.pi / 2.0
    square = slope_together / 2.0
    rest, steep = whole - square * end**2, (slope_apart - 2.0 * square * end) * end
    turn = angle / end
    return square * angle**2 + (4.0 * rest - steep) * turn**3 + (steep - 3.0 * rest) * turn**4
