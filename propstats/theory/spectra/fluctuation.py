"""How much the fluctuating length of the signal matters at finite width.

The second moment q of a layer of N units fluctuates about its limit by O(1/sqrt N), and so do the slopes that depend
on it. To first order the relative deviation of q is passed on with slope `d log q_{l+1} / d log q_l`, gains
`Var(y^2)/(N E[y^2]^2)` of new variance in each layer, and moves the layer's mean squared slope by
`d log E[phi'^2] / d log q`. Positively homogeneous activations have slopes that do not feel q.
"""

import math

from propstats.expectation import quadrature
from propstats.theory.network import DenseNetwork

_STEP = 0.02


def gain_variance(network: DenseNetwork) -> float:
    """Return the variance of the logarithm of the mean squared singular value that fluctuations of q cause.

    >>> from propstats.activations import activation
    >>> from propstats.theory.weights.schemes import weight_scheme
    >>> gain_variance(DenseNetwork(activation("relu"), weight_scheme("he"), (256,) * 10))
    0.0
    """
    if network.is_homogeneous:
        return 0.0
    # Variances and covariance of log q and of the summed log gain.
    own, joint, total = 2.0 / network.widths[0], 0.0, 0.0
    for layer, q in enumerate(network.second_moments[:-1]):
        slope, gain, fresh = _responses(network, layer, q)
        total += 2 * gain * joint + gain**2 * own
        joint = slope * (joint + gain * own)
        own = slope**2 * own + fresh / network.widths[layer + 1]
    return total


def _responses(network: DenseNetwork, layer: int, q: float) -> tuple[float, float, float]:
    """Return `d log q'/d log q`, `d log E[phi'^2]/d log q` and `Var(y^2)/E[y^2]^2` of one layer."""
    low, high = (_layer(network, layer, q * math.exp(sign * _STEP)) for sign in (-1, 1))
    here = _layer(network, layer, q)
    return (
        math.log(high[0] / low[0]) / (2 * _STEP),
        math.log(high[1] / low[1]) / (2 * _STEP),
        here[2] / here[0] ** 2 - 1.0,
    )


def _layer(network: DenseNetwork, layer: int, q: float) -> tuple[float, float, float]:
    """Return `E[y^2]`, `E[phi'^2]` and `E[y^4]` for y the layer's output."""
    std = network.preactivation_std(layer, q)

    def power(order: int) -> float:
        expected = quadrature.expect(
            lambda x: ((network.activation(x) - network.shift) / network.scale) ** order,
            mean=network.beta,
            std=std,
            kinks=network.activation.kinks,
        )
        return float(expected)

    return power(2), quadrature.slope_law(network.activation, network.beta, std).moment(1), power(4)
