"""What a softmax of independent Gaussian logits gives to each: moments of its weights, exact for any number of them."""

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from propstats.rules.mask import Shares

#: The step of both trapezoid rules, in logits: their integrands vanish at both ends and have no singularity within
#: pi/2 of the real line, so that the error is about exp(-pi^2/step). It grows with the logits from some spread on.
_STEP = 0.25
_WIDE = 40.0
#: Beyond this spread one logit has all but about 1/spread of the weight, and that is all that is said.
_WIDEST = 160.0
#: A Gaussian is cut off here, in standard deviations, and t exp(-t) where its logarithm is below and above this.
_END, _LOW, _HIGH = 9.0, 20.0, 4.0


@dataclass(frozen=True, slots=True)
class SoftmaxMoments:
    """Moments of softmax weights `a_1 .. a_n`.

    Args:
        squares: `E[sum a_j^2]`: 1/n if all weights are equal, 1 if one has it all.
        slope: `E[sum a_j^2 (1 - 2 a_j + sum a_k^2)]`, the mean squared slope, summed over outputs.
        trace: `E[(1 - sum a_j^2)^2]`, the squared sum of the slopes `a_j (1 - a_j)`.
        aligned: `(E[(sum a_j l_j)^2]/std^2 - squares)/std^2` for logits of mean 0: how the weights follow the logits.
    """

    squares: float
    slope: float
    trace: float
    aligned: float


@lru_cache(maxsize=256)
def softmax_moments(shares: Shares, std: float) -> SoftmaxMoments:
    """Return the moments of softmaxes of independent logits `N(m, std^2)`, over different numbers of them, added up.

    With `S = sum exp(l_j)` and `1/S^p = int_0^inf t^(p-1) exp(-t S) dt / Gamma(p)`, expectations of products of weights
    are integrals over t of products of `E[exp(k l - t exp(l))]`.

    Args:
        shares: Numbers of logits, at least 1, with a weight each.
        std: Their standard deviation.

    >>> softmax_moments(((8, 1.0),), 0.0).squares, softmax_moments(((1, 1.0),), 1.0).squares
    (0.125, 1.0)
    >>> round(softmax_moments(((2, 1.0),), 1.0).squares, 6)  # E[2 sigmoid(l)^2] for l ~ N(0, 2)
    0.636838
    """
    counts = np.array([count for count, _ in shares], dtype=np.float64)[:, None]
    weights = np.array([weight for _, weight in shares])
    if std == 0.0:
        rest = 1.0 - 1.0 / counts[:, 0]
        found = (1.0 / counts[:, 0], rest / counts[:, 0], rest**2, rest)
        return SoftmaxMoments(*(float(moment @ weights) for moment in found))
    std = min(std, _WIDEST)
    step = _STEP * max(1.0, std / _WIDE)
    u = np.arange(-_END * std - _LOW, _END * std + _HIGH, step)
    none, two, three, four = (_laplace(power, u, std, step) for power in (0, 2, 3, 4))

    def integral(order: int, factor: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.float64]:
        found: NDArray[np.float64] = (factor * none**others).sum(axis=1) * step / math.gamma(order)
        return found

    n = counts[:, 0]
    squares = n * integral(2, two, counts - 1)
    cubes = n * integral(3, three, counts - 1)
    fourths = n * integral(4, four, counts - 1)
    pairs = n * (n - 1) * integral(4, two**2, np.maximum(counts - 2, 0))
    squared = fourths + pairs  # E[(sum a^2)^2]
    aligned = 1.0 - squares - 6.0 * cubes + 6.0 * squared  # by Stein's lemma, E[l f] = std^2 E[f']
    exact = (squares, squares - 2.0 * cubes + squared, 1.0 - 2.0 * squares + squared, aligned)
    alone = (1.0, 0.0, 0.0, 0.0)  # of one weight, which is 1
    moments = (np.where(n == 1, one, found) for one, found in zip(alone, exact, strict=True))
    return SoftmaxMoments(*(float(moment @ weights) for moment in moments))


def _laplace(power: int, u: NDArray[np.float64], std: float, step: float) -> NDArray[np.float64]:
    """Return `E[t^k exp(-t)]` for `t = exp(u + l)`, `l ~ N(0, std^2)`, in the shape of u."""
    step *= min(1.0, std)
    logit = np.arange(-_END * std, _END * std + step, step)
    density = np.exp(-0.5 * (logit / std) ** 2) * (step / (std * math.sqrt(2 * math.pi)))
    found = np.empty(u.shape)
    for start in range(0, u.size, 256):
        v = u[start : start + 256, None] + logit
        with np.errstate(over="ignore", under="ignore"):
            found[start : start + 256] = np.exp(power * v - np.exp(v)) @ density
    return found
