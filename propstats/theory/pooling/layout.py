"""The windows of a pooling layer over all its axes: how many there are of each kind, and where they overlap."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import reduce
from itertools import product

import numpy as np

from propstats.errors import DomainError
from propstats.theory.geometry import Counts
from propstats.theory.pooling.geometry import PoolAxis

#: More kinds of windows or positions than this are no pooling layer.
_MOST = 10_000


@dataclass(frozen=True, slots=True, order=True)
class Window:
    """What tells two windows apart.

    Args:
        inputs: How many real inputs it holds.
        span: How many places it takes, padding included.
    """

    inputs: int
    span: int


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """Windows and positions over all axes.

    Args:
        windows: The kinds of windows.
        counts: How many there are of each kind (for each stride, in the interior).
        cover: How many windows of each kind hold a position of a group; shape (kinds, *groups).
        first: How many of them have it as their first input in the order of memory; shape (kinds, *groups).
        positions: How many positions are in each group; shape (*groups,).
        axes: The axes.
    """

    windows: tuple[Window, ...]
    counts: tuple[int, ...]
    cover: Counts
    first: Counts
    positions: Counts
    axes: tuple[PoolAxis, ...]

    @property
    def size(self) -> int:
        """The number of positions."""
        return math.prod(axis.size for axis in self.axes)

    @property
    def outputs(self) -> int:
        """The number of windows."""
        return sum(self.counts)

    @property
    def shares(self) -> tuple[Fraction, ...]:
        """The share of each kind among the windows."""
        return tuple(Fraction(count, self.outputs) for count in self.counts)

    def merged(self) -> "Layout":
        """Return the same windows where it does not matter which input is first."""
        return layout([axis.merged() for axis in self.axes])

    def example(self, group: Sequence[int]) -> tuple[int, ...]:
        """Return the first position of a group."""
        return tuple(axis.examples[k] for axis, k in zip(self.axes, group, strict=True))


def layout(axes: Sequence[PoolAxis]) -> Layout:
    """Combine axes: a window is a product of intervals, and what it holds a product of numbers.

    Raises:
        DomainError: If there are too many kinds of windows or positions to tell apart.

    >>> from propstats.theory.pooling.geometry import interior
    >>> found = layout([interior(3, 2)] * 2)
    >>> found.windows, found.cover[0][np.ix_(*(axis.group for axis in found.axes))].tolist()
    ((Window(inputs=9, span=9),), [[4, 2], [2, 1]])
    """
    groups = tuple(int(axis.positions.size) for axis in axes)
    if max(math.prod(len(axis.inputs) for axis in axes), math.prod(groups)) > _MOST:
        raise DomainError(f"this pooling has more than {_MOST} kinds of windows or positions", "use fewer sizes")
    counts: dict[Window, int] = {}
    cover: dict[Window, Counts] = {}
    first: dict[Window, Counts] = {}
    for choice in product(*(range(len(axis.inputs)) for axis in axes)):
        chosen = list(zip(axes, choice, strict=True))
        window = Window(math.prod(a.inputs[k] for a, k in chosen), math.prod(a.spans[k] for a, k in chosen))
        counts[window] = counts.get(window, 0) + math.prod(a.windows[k] for a, k in chosen)
        for total, rows in (
            (cover, [a.cover[k] for a, k in chosen]),
            (first, [a.first[k] for a, k in chosen]),
        ):
            total[window] = total.get(window, np.zeros(groups, dtype=np.int64)) + _outer(rows)
    windows = tuple(sorted(counts))
    return Layout(
        windows,
        tuple(counts[window] for window in windows),
        np.stack([cover[window] for window in windows]),
        np.stack([first[window] for window in windows]),
        _outer([axis.positions for axis in axes]),
        tuple(axes),
    )


def _outer(rows: Sequence[Counts]) -> Counts:
    return reduce(np.multiply.outer, rows)
