"""Many layers are tested at once: which of them are found, and how sure is that of all together?

Holm's method decides: it keeps the chance of any false alarm among all layers of a rule below `LEVEL` however the tests
depend on each other, which those of one network do. The intervals are Bonferroni's, which hold for all layers at once;
what they exclude Holm rejects as well.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Final

#: The chance that a rule cries wolf about any layer of a network that just keeps its limits.
LEVEL: Final = 0.05

_NORMAL: Final = NormalDist()


@dataclass(frozen=True, slots=True)
class Measured:
    """A number of one layer with its standard error."""

    layer: str
    value: float
    error: float


@dataclass(frozen=True, slots=True)
class Beyond:
    """A number that is beyond its limit.

    Args:
        layer: Where.
        value: The number.
        interval: Its interval, simultaneous for all that were tested.
    """

    layer: str
    value: float
    interval: tuple[float, float]


def holm(p_values: Sequence[float], level: float = LEVEL) -> list[bool]:
    """Decide which hypotheses are rejected: from the smallest p-value on, each against level/(those that are left).

    References:
        Holm 1979, Scandinavian Journal of Statistics 6, 65-70.

    >>> holm([0.04, 0.001, 0.02], level=0.05)
    [True, True, True]
    >>> holm([0.04, 0.001, 0.03], level=0.05)
    [False, True, False]
    """
    rejected = [False] * len(p_values)
    for rank, i in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        if not p_values[i] <= level / (len(p_values) - rank):
            break
        rejected[i] = True
    return rejected


def interval(value: float, error: float, tests: int) -> tuple[float, float]:
    """Return the two-sided interval that holds for so many numbers at once.

    >>> [round(end, 2) for end in interval(0.0, 1.0, 1)]
    [-1.96, 1.96]
    >>> [round(end, 2) for end in interval(0.0, 1.0, 20)]
    [-3.02, 3.02]
    """
    half = _NORMAL.inv_cdf(1.0 - LEVEL / (2 * max(tests, 1))) * error
    return value - half, value + half


def above(measured: Sequence[Measured], limit: float) -> list[Beyond]:
    """Return what lies above a limit, beyond its errors, in the order of the layers.

    >>> [found.layer for found in above([Measured("a", 1.5, 0.1), Measured("b", 1.5, 1.0)], 1.0)]
    ['a']
    """
    known = [m for m in measured if math.isfinite(m.value) and math.isfinite(m.error)]
    found = holm([_p_value(m.value - limit, m.error) for m in known])
    return [
        Beyond(m.layer, m.value, interval(m.value, m.error, len(known)))
        for m, is_found in zip(known, found, strict=True)
        if is_found
    ]


def _p_value(excess: float, error: float) -> float:
    """Return how likely at least this excess is by chance where there is none."""
    if error <= 0.0:
        return 0.0 if excess > 0.0 else 1.0
    return 0.5 * math.erfc(excess / error / math.sqrt(2.0))
