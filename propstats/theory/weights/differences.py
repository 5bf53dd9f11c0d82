"""What many layers leave of the difference between two inputs: a signal that all inputs share tells nothing apart."""

import math

import numpy as np

from propstats.activations import Activation
from propstats.estimate import Estimate, Route
from propstats.expectation.dual import difference
from propstats.theory.weights.propagation import Moments

#: Relative error of one expectation of a squared difference, and of one of a square.
_DIFFERENCE, _SQUARE = 1e-11, 1e-14
#: By which the start is moved to see how errors grow.
_STEP = 1e-3
_SMALLEST, _LARGEST = 1e-60, 1e60


def difference_remaining(act: Activation, gain: float, *, std: float, depth: int) -> Estimate:
    """Return `E[(u - v)^2]` after `depth` layers over that before, for inputs u and v that start independent.

    In a layer without biases `E[(u - v)^2]/2` becomes `gain E[(phi(u) - phi(v))^2]/2`: the correlation map, written so
    that it stays accurate where u and v are almost the same.

    Args:
        act: phi.
        gain: Terms of an output times the variance of a weight.
        std: Standard deviation of the pre-activations before the first activation.
        depth: Number of layers.

    References:
        Poole et al. 2016, arXiv:1606.05340, Eq. 5.

    >>> from propstats.activations import activation
    >>> relu = difference_remaining(activation("relu"), 2.0, std=1.0, depth=1)
    >>> round(relu.value, 12)  # 2 Var relu = 1 - 1/pi
    0.681690113816
    """
    log = _logarithm(act, gain, std, depth)
    # What grows in proportion to its input starts anywhere.
    moved = log if act.is_homogeneous else _logarithm(act, gain, std * (1.0 + _STEP), depth)
    if log == -math.inf:
        return Estimate(0.0, 0.0, Route.QUADRATURE)
    if not math.isfinite(log) or log > 700.0:
        return Estimate(math.nan, math.inf, Route.QUADRATURE)
    value = math.exp(log)
    # Errors of the correlation do not grow, as its map is convex; those of q do as the moved start shows.
    growth = 1.0 + abs(moved - log) / _STEP
    return Estimate(value, value * depth * (_DIFFERENCE + growth * _SQUARE), Route.QUADRATURE)


def _logarithm(act: Activation, gain: float, std: float, depth: int) -> float:
    q = var = std**2
    log, moments = 0.0, Moments(act)
    for layer in range(depth):
        before = q, var
        apart = gain * difference(act, mean=0.0, common=math.sqrt(max(q - var, 0.0)), own=math.sqrt(var))
        q = gain * float(moments.at(np.array(q))["second_moment"])
        if apart <= 0.0:
            return -math.inf
        if not (_SMALLEST < q < _LARGEST and apart < _LARGEST):
            return math.nan
        step, var = math.log(apart / var), min(apart, q)
        if before == (q, var):  # so are all layers that follow
            return log + (depth - layer) * step
        log += step
        if var < _SMALLEST:
            return math.nan
    return log
