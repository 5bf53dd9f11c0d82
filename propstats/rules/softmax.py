"""What a softmax of independent Gaussian logits gives to each: moments of its weights, exact for any number of them."""

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from propstats.rules.mask import Shares

#: The step of both trapezoid rules, in logits: their integrands vanish at both ends and have no singularity within
#: pi/2 of the real line, so that the error is about exp(-pi^2/step). It grows with the logits: with those that are
#: summed over from some spread on, with those that are left from a smaller one on, as sums over the others are smooth.
_STEP = 0.25
_WIDE, _SMOOTH = 40.0, 4.0
#: Between the numbers of a table with so many to a step, values are cubic to 1e-7 of them.
_FINE = 8
#: So many numbers are looked up at once.
_TABLE = 1 << 18
#: So many logits are drawn.
_DRAWS = 1 << 18
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
        shares: Numbers of logits, at least 1, with a weight each; or what logits without variance give, of the first of
            two queries: `a_j` is then in proportion to `p_j exp(l_j)`.
        std: The standard deviation of the logits.

    >>> softmax_moments(((8, 1.0),), 0.0).squares, softmax_moments(((1, 1.0),), 1.0).squares
    (0.125, 1.0)
    >>> round(softmax_moments(((2, 1.0),), 1.0).squares, 6)  # E[2 sigmoid(l)^2] for l ~ N(0, 2)
    0.636838
    """
    keys, weights = _arrays(shares)
    std = min(std, _WIDEST)
    found = _of_alike(keys, std) if keys.ndim == 1 else _of_unequal(keys[:, 0], std)
    squares, cubes, squared = (found @ weights).tolist()
    total = float(weights.sum())
    aligned = total - squares - 6.0 * cubes + 6.0 * squared  # by Stein's lemma, E[l f] = std^2 E[f']
    slope, trace = squares - 2.0 * cubes + squared, total - 2.0 * squares + squared
    return SoftmaxMoments(squares, slope, trace, aligned)


@lru_cache(maxsize=256)
def common_moments(shares: Shares, std: float, correlation: float) -> tuple[float, float]:
    """Return `E[sum a_j a'_j]` of two queries whose logits are correlated, and how both follow what these share.

    Of keys that are all alike it is that of one query whose logits vary by what both share: an approximation, exact at
    correlations 0 and 1 and for many keys. Of unequal ones it is drawn, from as many logits as give it to about 1 %;
    how weights follow the logits is then that of shares in proportion to `sqrt(p p')`.

    Args:
        shares: Keys with a weight each, of pairs of queries.
        std: Standard deviation of each query's logits.
        correlation: Of the logits of two queries for the same key, from 0 to 1.

    >>> common_moments(((8, 1.0),), 1.0, 0.0)
    (0.125, 0.875)
    """
    keys, weights = _arrays(shares)
    if keys.ndim == 1 or (correlation == 1.0 and np.array_equal(keys[:, 0], keys[:, 1])):
        alike = softmax_moments(shares, std * math.sqrt(correlation))
        return alike.squares, alike.aligned
    one, other = keys[:, 0], keys[:, 1]
    both = np.sqrt(one * other)
    both /= both.sum(axis=1, keepdims=True)
    squares, cubes, squared = _of_unequal(both, min(std * math.sqrt(correlation), _WIDEST))
    in_common = weights * (one * other).sum(axis=1) / np.square(both).sum(axis=1)
    aligned = float((1.0 - squares - 6.0 * cubes + 6.0 * squared) @ in_common)
    return float(_drawn(one, other, std, correlation) @ weights), aligned


def _arrays(shares: Shares) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return numbers of keys, shape (parts,), or shares of both queries, shape (parts, 2, keys); and the weights."""
    return np.array([keys for keys, _ in shares], dtype=np.float64), np.array([weight for _, weight in shares])


def _drawn(one: NDArray[np.float64], other: NDArray[np.float64], std: float, correlation: float) -> NDArray[np.float64]:
    """Return `E[sum a_j a'_j]` of weights in proportion to `p exp(l)` and `p' exp(l')`, shape (rows,), by drawing."""
    draws = max(_DRAWS // one.size, 16)
    normal = np.random.default_rng(0).standard_normal((3, draws, *one.shape))
    shared, free = std * math.sqrt(correlation) * normal[0], std * math.sqrt(1.0 - correlation)
    weights = []
    for row, own in ((one, normal[1]), (other, normal[2])):
        logits = shared + free * own
        found = row * np.exp(logits - logits.max(axis=-1, keepdims=True))
        weights.append(found / found.sum(axis=-1, keepdims=True))
    mean: NDArray[np.float64] = (weights[0] * weights[1]).sum(axis=-1).mean(axis=0)
    return mean


def _of_alike(n: NDArray[np.float64], std: float) -> NDArray[np.float64]:
    """Return `E[sum a^2]`, `E[sum a^3]` and `E[(sum a^2)^2]` of n weights each, shape (3, counts)."""
    if std == 0.0:
        return np.array([1.0 / n, 1.0 / n**2, 1.0 / n**2])
    u, step = _grid(std)
    none, two, three, four = _laplace(u, std)

    def integral(order: int, factor: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.float64]:
        found: NDArray[np.float64] = (factor * none ** others[:, None]).sum(axis=1) * step / math.gamma(order)
        return found

    fourths = n * integral(4, four, n - 1)
    pairs = n * (n - 1) * integral(4, two**2, np.maximum(n - 2, 0))
    found = np.array([n * integral(2, two, n - 1), n * integral(3, three, n - 1), fourths + pairs])
    return np.where(n == 1, 1.0, found)  # one weight is 1


def _of_unequal(shares: NDArray[np.float64], std: float) -> NDArray[np.float64]:
    """Return the same of weights in proportion to `p exp(l)`, shares p of shape (rows, keys): shape (3, rows)."""
    if std == 0.0:
        squares = np.square(shares).sum(axis=1)
        return np.array([squares, (shares**3).sum(axis=1), squares**2])
    u, step = _grid(std)
    fine = step / _FINE
    none, *powers = _laplace(np.arange(u[0], u[-1] + 1.5 * fine, fine), std)
    table = np.stack([np.log(none), *(power / none for power in powers)])
    some = max(1, _TABLE // (shares.shape[1] * u.size))
    groups = np.split(shares, range(some, len(shares), some))
    smallest = math.exp(-_END * std - _LOW)
    return np.concatenate([_looked_up(table, np.maximum(group, smallest), u.size, fine) for group in groups], axis=1)


def _looked_up(table: NDArray[np.float64], shares: NDArray[np.float64], size: int, fine: float) -> NDArray[np.float64]:
    """Sum the integrals of `_of_unequal` over so many u, from a table over `exp(u)` at distances `fine`."""
    # `exp(u + log p)` lies so many places of the table below `exp(u)`, and a part; nothing has a weight at its end.
    below = -np.log(shares) / fine
    whole = np.floor(below).astype(int)
    place = np.maximum(_FINE * np.arange(size) - whole[..., None], 2)
    x = (below - whole)[..., None]
    cubic = (x * (1 - x) * (x - 2) / 6, (1 - x * x) * (2 - x) / 2, x * (1 + x) * (2 - x) / 2, x * (x * x - 1) / 6)
    near = [part * table[:, place - at] for at, part in zip((-1, 0, 1, 2), cubic, strict=True)]
    log_none, two, three, four = np.sum(near, axis=0)
    two_of_all = two.sum(axis=1)
    pairs = two_of_all**2 - np.square(two).sum(axis=1)
    product = np.exp(log_none.sum(axis=1)) * fine * _FINE
    moments = (two_of_all, three.sum(axis=1) / 2.0, (four.sum(axis=1) + pairs) / 6.0)
    return np.array([(product * moment).sum(axis=1) for moment in moments])


def _grid(std: float) -> tuple[NDArray[np.float64], float]:
    """Return the logarithms of t at which integrals are summed, and their distance."""
    step = _STEP * max(1.0, std / _SMOOTH)
    return np.arange(-_END * std - _LOW, _END * std + _HIGH, step), step


def _laplace(u: NDArray[np.float64], std: float) -> NDArray[np.float64]:
    """Return `E[t^k exp(-t)]` for `t = exp(u + l)`, `l ~ N(0, std^2)`, and k = 0, 2, 3, 4: shape (4, u)."""
    step = _STEP * max(1.0, std / _WIDE) * min(1.0, std)
    logit = np.arange(-_END * std, _END * std + step, step)
    density = np.exp(-0.5 * (logit / std) ** 2) * (step / (std * math.sqrt(2 * math.pi)))
    found = np.empty((4, u.size))
    for start in range(0, u.size, 256):
        v = u[start : start + 256, None] + logit
        with np.errstate(over="ignore", under="ignore"):
            t = np.exp(v)
            for place, power in zip(found[:, start : start + 256], (0, 2, 3, 4), strict=True):
                place[:] = np.exp(power * v - t) @ density
    return found
