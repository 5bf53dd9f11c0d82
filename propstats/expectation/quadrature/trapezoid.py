"""The trapezoidal rule in z, which converges exponentially for what is analytic around the real line."""

import math
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np

from propstats.expectation.quadrature.branches import Branches
from propstats.expectation.quadrature.panels import SQRT_2PI
from propstats.expectation.quadrature.rule import Array
from propstats.expectation.quadrature.scales import Scale
from propstats.expectation.quadrature.sums import PROBES, Gaussians, Sums, column, least, most, probes, root

#: The spacing goes down by a sixth of an octave from level to level.
_LEVELS_AN_OCTAVE = 6
MAX_LEVEL = 28
#: What the rule misses is about exp(-46) for poles and exp(-50) for Gaussians, before the factors in front; without
#: every other node it is the square root and the fourth root of that.
_POLES, _GAUSS = 46.0, 50.0
_LOWEST = math.sqrt(2 * _GAUSS)
#: A spacing so small has no multiples to count on.
_TINY = 1e-290
#: How many bits a spacing in x has, and how much finer it is: so many inputs are too many to be done again.
_BITS, _FINER = 30, 1.05
#: How many averages are taken, and the frequency noted.
AVERAGES = 13


def level_of(scale: Scale, std: Any, split: int) -> Any:
    """Return the level at which a branch is resolved, with each spacing split into so many."""
    octaves = (math.log2 if isinstance(std, float) else np.log2)(split * _frequency(scale, std) / _LOWEST)
    return -((1e-9 - _LEVELS_AN_OCTAVE * octaves) // 1.0)


def spacing(scale: Scale, std: float, split: int) -> float:
    """Return a spacing in x that resolves a branch for all inputs that are no narrower, split into so many; or 0.

    It has few bits, so that its multiples are exact.
    """
    exact = float(2 * math.pi * std / (_FINER * split * _frequency(scale, std)))
    if not _TINY < exact < math.inf:
        return 0.0
    unit = 2.0 ** (math.frexp(exact)[1] - _BITS)
    return math.floor(exact / unit) * unit


def _frequency(scale: Scale, std: Any) -> Any:
    inverse = most(std / scale.strip, 1 / math.sqrt(2 * _POLES))
    return most(_LOWEST * root(1 + 2 * scale.narrow * std * std), _POLES * inverse + 0.5 / inverse)


def _digits(scale: Scale, std: Any, frequency: Any) -> Any:
    """Return E, if the rule misses about exp(-E).

    It misses the Fourier transform of the integrand at w = 2 pi/h: `exp(-w^2/(2 (1 + 2 k s^2)))` for a Gaussian times
    `exp(-k x^2)`, and `exp(a^2/2 - a w)` for a Gaussian times something with a pole at a distance a < w.
    """
    pole = least(scale.strip / std, frequency)
    return least(frequency * frequency / (2 * (1 + 2 * scale.narrow * std * std)), pole * (frequency - pole / 2))


@cache
def nodes(level: int, reach: float) -> tuple[Array, Array]:
    """Return nodes and their weights; shapes (n,) and (n, 5).

    A third of a spacing off the centre, no symmetry hides what the rule misses.

    Returns:
        Nodes that end at `reach`, with the probes on either side; the weights of 1, z^2, of the difference from every
        other node, of the probes, and of z.
    """
    step = 2 * math.pi / _LOWEST * 2.0 ** (-level / _LEVELS_AN_OCTAVE)
    index = np.arange(-int(reach / step), int(reach / step) + 1)
    far, width = probes(reach)
    z = np.concatenate([-far[::-1], (index + 1 / 3) * step, far])
    density = np.exp(-0.5 * z * z) / SQRT_2PI
    weights = np.zeros((z.size, 5))
    inside = slice(PROBES, -PROBES)
    weights[inside, 0] = step * density[inside]
    weights[:, 1], weights[:, 4] = weights[:, 0] * z * z, weights[:, 0] * z
    weights[inside, 2] = weights[inside, 0] * (-1.0) ** index
    weights[:PROBES, 3], weights[-PROBES:, 3] = density[:PROBES] * width[::-1], density[-PROBES:] * width
    return z, weights


@cache
def _layout(level: int, reach: float) -> tuple[Array, Array, Array, Array]:
    """Return 1 and z as rows, and the weights of 1, of z, and the first four: each in one piece of memory."""
    z, weights = nodes(level, reach)
    one, first, four = (np.ascontiguousarray(weights[:, columns]) for columns in (0, 4, slice(4)))
    return np.stack([np.ones(z.size), z]), one, first, four


def averages(branches: Branches, branch: int, level: int, reach: float, inputs: Gaussians) -> Sequence[Any] | None:
    """Integrate one branch over everything; None if it is constant.

    Args:
        branches: The activation.
        branch: The branch.
        level: The level of the rule.
        reach: How far it reaches.
        inputs: The inputs.

    Returns:
        E[phi], E[y z], E[d], E[y d z]; E[d^2] and the same with z^2, off every other node, beyond; E[y^2] likewise:
        for y = phi - E[phi] and d = phi', each a float for one input, of shape (batch,) for many; and 2 pi over the
        spacing.
    """
    line, one, first, four = _layout(level, reach)
    is_single = not isinstance(inputs.mean, np.ndarray)
    x = inputs.mean + inputs.std * line[1] if is_single else np.stack([inputs.mean, inputs.std], axis=-1) @ line
    frequency = _LOWEST * 2.0 ** (level / _LEVELS_AN_OCTAVE)
    f, d = branches.parts[branch](x, *inputs.params)
    if not isinstance(f, np.ndarray) or f.shape != x.shape:
        return None
    f, d = inputs.beyond(branches.whole, x, f, d)
    if not isinstance(d, np.ndarray):
        d = np.full_like(f, d)
    mean = f @ one
    y = f - column(mean)
    if is_single:
        numbers = map(float, (mean, y @ first, d @ one, (y * d) @ first))
        return [*numbers, *((d * d) @ four).tolist(), *((y * y) @ four).tolist(), frequency]
    rest = y @ first, d @ one, np.multiply(y, d, out=x) @ first
    squares = np.multiply(d, d, out=x) @ four, np.multiply(y, y, out=y) @ four
    return [mean, *rest, *squares[0].T, *squares[1].T, frequency]


def sums(averages: Sequence[Any], std: Any, scale: Scale) -> Sums:
    """Turn the averages into sums, with what the rule may have missed.

    Args:
        averages: The averages.
        std: Standard deviations of the input.
        scale: How fast the branch changes.
    """
    mean, yz, d, ydz, dd, dzdz, dd_off, dd_far, yy, zzyy, yy_off, yy_far, frequency = averages
    slope, spread = root(dd), root(yy)
    lever = root(yy * dzdz)
    if not isinstance(std, np.ndarray) and not (std * slope > 0.0 and std * lever > 0.0):
        missed: Any = math.inf
    else:
        # Stein's lemma, which sees what this very rule misses: E[z y] = s E[y'], E[(z^2 - 1) y^2] = 2 s E[z y y'].
        stein = abs(yz - std * d) / (std * slope) + abs(zzyy - yy - 2 * std * ydz) / (2 * std * lever)
        coarse = abs(dd_off) / dd + abs(yy_off) / yy
        missed = missed_by(scale, std, frequency, stein, coarse)
    sizes = (spread, slope, dd, yy, lever)
    return Sums(mean, d, dd, yy, ydz, dzdz, tuple(missed * size for size in sizes), yy_far, dd_far)


def missed_by(scale: Scale, std: Any, frequency: Any, stein: Any, coarse: Any) -> Any:
    """Return what the rule may miss, relative to the size of what is averaged.

    Args:
        scale: How fast the branch changes.
        std: Standard deviations of the input.
        frequency: 2 pi over the spacing in z.
        stein: By how much Stein's lemma is violated, relative to the sizes.
        coarse: How far every other node is from the rest, likewise.
    """
    # With half the frequency, E is a half to a quarter; the factors in front are larger than 1, so a bit more of
    # a power than the ratio says what is missed.
    power = 1.2 * _digits(scale, std, frequency) / _digits(scale, std, frequency / 2)
    return 3 * stein + coarse**power
