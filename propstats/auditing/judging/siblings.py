"""One among its like: does a layer, or a branch, fall out of those that have the same place in a network?"""

import math
import re
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Final

from propstats.auditing.judging.simultaneous import LEVEL, holm

#: Fewer have no scatter of their own.
_FEWEST: Final = 2
#: From so many on the narrower kind is asked, and not the wider one.
_ENOUGH: Final = 3


@dataclass(frozen=True, slots=True)
class Member:
    """One of several that should be alike.

    Args:
        name: Which.
        kinds: What it has in common with its siblings, from the narrowest kind to the widest.
        log: The logarithm of its gain.
    """

    name: str
    kinds: Sequence[Hashable]
    log: float


@dataclass(frozen=True, slots=True)
class Odd:
    """One that is unlike its siblings.

    Args:
        at: Which of the members.
        log: By how much its logarithm is above the mean of theirs.
        interval: The interval of that, simultaneous for all that were tested.
        siblings: Which members they are.
    """

    at: int
    log: float
    interval: tuple[float, float]
    siblings: Sequence[int]


def role(name: str) -> str:
    """Return the place of a layer in repeated parts of a network: its name without numbers.

    >>> role("encoder.layers.3.linear1"), role("7")
    ('encoder.layers.#.linear#', '#')
    """
    return re.sub(r"\d+", "#", name)


def odd_ones(members: Sequence[Member]) -> list[Odd]:
    """Return those that chance does not explain if logarithms of gains scatter like Gaussians.

    The value of each is compared with its siblings, without itself: with n of them of mean m and standard deviation s,
    `(x - m)/(s sqrt(1 + 1/n))` has Student's distribution with n - 1 degrees of freedom. Holm's method over all. What
    is larger than one by far hides behind the scatter that the other causes: two of a kind are a design, and no fault.

    References:
        Cook & Weisberg 1982, Residuals and Influence in Regression, section 2.2.2 (externally studentised residuals).

    >>> alike = [Member(str(i), ("linear",), 0.01 * i) for i in range(8)]
    >>> [found.at for found in odd_ones([*alike, Member("8", ("linear",), 2.8)])], odd_ones(alike)
    ([8], [])
    """
    from scipy.special import stdtr, stdtrit

    tests = [(at, found) for at in range(len(members)) if len(found := _siblings(members, at)) >= _FEWEST]
    gaps, errors, p_values = [], [], []
    for at, siblings in tests:
        logs = [members[i].log for i in siblings]
        gaps.append(members[at].log - fmean(logs))
        errors.append(stdev(logs) * math.sqrt(1.0 + 1.0 / len(logs)))
        z = abs(gaps[-1]) / errors[-1] if errors[-1] > 0.0 else math.copysign(math.inf, abs(gaps[-1]))
        p_values.append(2.0 * float(stdtr(len(logs) - 1, -z)) if gaps[-1] else 1.0)
    odd = []
    for (at, siblings), gap, error, is_odd in zip(tests, gaps, errors, holm(p_values), strict=True):
        if is_odd:
            half = float(stdtrit(len(siblings) - 1, 1.0 - LEVEL / (2 * len(tests)))) * error
            odd.append(Odd(at, gap, (gap - half, gap + half), siblings))
    return odd


def _siblings(members: Sequence[Member], at: int) -> list[int]:
    """Return the members of the narrowest kind of which there are enough."""
    found: list[int] = []
    for level in range(len(members[at].kinds)):
        kind = members[at].kinds[level]
        found = [i for i, other in enumerate(members) if i != at and other.kinds[level] == kind]
        if len(found) >= _ENOUGH:
            break
    return found
