"""What a softmax of independent Gaussian logits gives to each: moments of its weights, exact for any number of them."""

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

#: The step of both trapezoid rules, in logits: their integrands vanish at both ends and have no singularity within
#: pi/2 of the real line, so that the error is about exp(-pi^2/step).
_STEP = 0.25
#: A Gaussian is cut off here, in standard deviations, and an exponential here.
_END, _TAIL = 9.0, 20.0


@dataclass(frozen=True, slots=True)
class SoftmaxMoments:
    """Moments of softmax weights `a_1 .. a_n`.

    Args:
        squares: `E[sum a_j^2]`: 1/n if all weights are equal, 1 if one has it all.
        slope: `E[sum a_j^2 (1 - 2 a_j + sum a_k^2)]`, the mean squared slope, summed over outputs.
        aligned: `(E[(sum a_j l_j)^2]/std^2 - squares)/std^2` for logits of mean 0: how the weights follow the logits.
    """

    squares: float
    slope: float
    aligned: float


@lru_cache(maxsize=256)
def softmax_moments(count: int, std: float) -> SoftmaxMoments:
    """Return the moments of the softmax of independent logits `N(m, std^2)`.

    With `S = sum exp(l_j)` and `1/S^p = int_0^inf t^(p-1) exp(-t S) dt / Gamma(p)`, expectations of products of weights
    are integrals over t of products of `E[exp(k l - t exp(l))]`.

    Args:
        count: Number of logits, at least 1.
        std: Their standard deviation.

    >>> softmax_moments(8, 0.0).squares, softmax_moments(1, 1.0).squares
    (0.125, 1.0)
    >>> round(softmax_moments(2, 1.0).squares, 6)  # E[2 sigmoid(l)^2] for l ~ N(0, 2)
    0.636838
    """
    if count == 1:
        return SoftmaxMoments(1.0, 0.0, 0.0)
    if std == 0.0:
        return SoftmaxMoments(1.0 / count, (1.0 - 1.0 / count) / count, 1.0 - 1.0 / count)
    high = 4 * std**2 + _END * std  # where exp(4 l) has its weight
    u = np.arange(-high - math.log(count) - _TAIL, _END * std + _TAIL / 4, _STEP)
    none, two, three, four = (_laplace(power, u, std, high) for power in (0, 2, 3, 4))

    def integral(order: int, factor: NDArray[np.float64], others: int) -> float:
        return float((np.exp(order * u) * factor * none**others).sum() * _STEP) / math.gamma(order)

    squares = count * integral(2, two, count - 1)
    cubes = count * integral(3, three, count - 1)
    fourths = count * integral(4, four, count - 1)
    pairs = count * (count - 1) * integral(4, two**2, count - 2)
    # E[(sum a^2)^2] is the sum of the last two; the third moment follows from Stein's lemma, E[l f] = std^2 E[f'].
    aligned = 1.0 - squares - 6.0 * cubes + 6.0 * (fourths + pairs)
    return SoftmaxMoments(squares, squares - 2 * cubes + fourths + pairs, aligned)


def _laplace(power: int, u: NDArray[np.float64], std: float, high: float) -> NDArray[np.float64]:
    """Return `E[exp(k l - exp(u + l))]` for `l ~ N(0, std^2)`, in the shape of u."""
    step = _STEP * min(1.0, std)
    logit = np.arange(-_END * std, high, step)
    with np.errstate(over="ignore", under="ignore"):
        exponents = power * logit - 0.5 * (logit / std) ** 2 - np.exp(u[:, None] + logit)
        return np.asarray(np.exp(exponents).sum(axis=1) * (step / (std * math.sqrt(2 * math.pi))))
