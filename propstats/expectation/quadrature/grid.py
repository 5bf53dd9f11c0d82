"""Nodes in x that many inputs share, with everything about them that does not depend on the input."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from propstats.expectation.quadrature import between_kinks, trapezoid
from propstats.expectation.quadrature.branches import Branches
from propstats.expectation.quadrature.rule import Array
from propstats.expectation.quadrature.sums import probes

#: So many nodes are too many.
_MOST = 1_000
#: Where the trapezoidal rule's nodes are, in spacings from the origin: no symmetry hides what it misses.
_OFF_CENTRE = 11 / 32
#: A polynomial of at most this degree needs no finer spacing for being steep.
_TAME_DEGREE = 3.0
#: Gauss's rule alone, and with another one to check it by.
GAUSS, CHECKED = -1, -2
#: What may be averaged, for d = phi' and y = phi - shift, with the power of y in it; the last ones by the check.
ROWS = {
    "d": 0, "yd": 1, "y": 1, "yy": 2, "dx": 0, "ydx": 1, "yx": 1, "yyx": 2, "dd": 0, "ddx": 0, "ddxx": 0,
    "check_dd": 0, "check_yy": 2, "check_d": 0, "check_yd": 1, "check_dx": 0, "check_ydx": 1, "check_y": 1,
}  # fmt: skip
#: So many of them are averaged by every rule; the others are what Gauss's rule is checked by.
_ALWAYS = 13
#: Those that only rates need, and those that only the trapezoidal rule, and only a check, needs besides.
_OF_RATES = {"dx", "ydx", "check_yd", "check_dx", "check_ydx"}
_OF_STEIN, _OF_CHECKS = {"yd", "yx", "yyx"}, {"check_dd", "check_yy"}


class Table(NamedTuple):
    """What is averaged at some nodes.

    Args:
        names: Which rows these are.
        powers: The powers of y in them, shape (rows,).
        rows: The rest of them, times the weights, shape (rows, n).
        levelled: All of them, for the shift that does for most inputs, likewise.
    """

    names: tuple[str, ...]
    powers: NDArray[np.intp]
    rows: Array
    levelled: Array


@dataclass(frozen=True)
class Grid:
    """Nodes for all inputs whose windows lie within one.

    Args:
        kind: The branch that is integrated by the trapezoidal rule, or one of Gauss's rules.
        spacing: The spacing of the trapezoidal rule, or 0.
        origin: What all x are counted from.
        x: Nodes, ascending, shape (n,).
        f: phi at the nodes.
        d: phi' at the nodes.
        weights: The weights of the rule, and of what it is checked by, shape (2, n).
        reach: How many standard deviations the nodes reach from any input.
        beyond: Bounds on what lies below and above the nodes of phi'^2, phi^2 and 1, over the density at their ends.
    """

    kind: int
    spacing: float
    origin: float
    x: Array
    f: Array
    d: Array
    weights: Array
    reach: float
    beyond: tuple[float, ...]

    @cached_property
    def line(self) -> Array:
        """What straight lines in x are multiplied with, shape (n, 2)."""
        return np.stack([np.ones(self.x.size), self.x], axis=1)

    def table(self, rates: bool) -> Table:
        """Return what is averaged; without `rates`, less."""
        return self._all if rates else self._few

    @cached_property
    def _all(self) -> Table:
        names = tuple(ROWS) if self.kind == CHECKED else tuple(ROWS)[:_ALWAYS]
        powers, rows, y = np.array([ROWS[name] for name in names]), self._rows(), self.f - self.level
        levelled = rows * np.stack([np.ones(y.size), y, y * y])[powers]
        return Table(names, powers, rows, np.asarray(levelled))

    @cached_property
    def _few(self) -> Table:
        needless = _OF_RATES | (_OF_STEIN if self.kind < 0 else set()) | (_OF_CHECKS if self.kind == GAUSS else set())
        names, powers, rows, levelled = self._all
        which = [i for i, name in enumerate(names) if name not in needless]
        return Table(tuple(names[i] for i in which), powers[which], rows[which], levelled[which])

    def _rows(self) -> Array:
        x, d, (rule, check) = self.x, self.d, self.weights
        dr, dc, ddr, ddc = d * rule, d * check, d * d * rule, d * d * check
        first = np.stack([dr, dr, rule, rule])
        rows = np.stack([*first, *(first * x), ddr, ddr * x, ddr * x * x, ddc, check, dc, dc, dc * x, dc * x, check])
        return rows if self.kind == CHECKED else rows[:_ALWAYS]

    @cached_property
    def level(self) -> float:
        """A shift that does for most inputs: phi in the middle."""
        return float(self.f[np.argmin(np.abs(self.x - (self.x[0] + self.x[-1]) / 2))])


@lru_cache(maxsize=64)
def grid(branches: Branches, low: int, high: int, unit: float, reach: float, split: int) -> Grid | None:
    """Lay out nodes; None if phi is constant there, or they would be too many.

    Args:
        branches: The activation.
        low: Where the window begins, in units.
        high: Where it ends.
        unit: The smallest standard deviation; the largest is at most twice that.
        reach: How many standard deviations around each mean lie in the window.
        split: Into how many to split each spacing.
    """
    start, stop = low * unit, high * unit
    origin = 0.0 if start <= 0.0 <= stop else (start + stop) / 2
    kinks = [kink.at for kink in branches.kinks]
    ends = [end - origin for end in (start, *[kink for kink in kinks if start < kink < stop], stop)]
    first = sum(kink <= start for kink in kinks)
    own = slice(first, first + len(ends) - 1)
    spacing, kind = 0.0, CHECKED if max(branches.degrees[own]) > between_kinks.EXACT_DEGREE else GAUSS
    if len(ends) == 2:
        degree, kind = branches.degrees[first], first
        spacing = trapezoid.spacing(branches.scales[first], unit, 1 if degree <= _TAME_DEGREE else split)
        pieces = _evenly(spacing, *ends) if degree > 0.0 else []
    else:
        pieces = _panels(branches, first, ends, unit, split)
    if not pieces:
        return None
    both = [
        part(origin + x, *branches.params.values()) for part, (x, _) in zip(branches.parts[own], pieces, strict=True)
    ]
    f, d = (np.concatenate([g[i] + 0.0 * x for g, (x, _) in zip(both, pieces, strict=True)]) for i in (0, 1))
    x, weights = (np.concatenate([piece[i] for piece in pieces], axis=-1) for i in (0, 1))
    order = np.argsort(x)
    x, f, d, weights = x[order], f[order], d[order], weights[:, order]
    middle = x.size // 2
    inside = [
        (float((d[part] ** 2).max()), float((f[part] ** 2).max())) for part in (slice(middle), slice(middle, None))
    ]
    beyond = _beyond(branches, (start, stop), unit, reach, inside)
    return Grid(kind, spacing, origin, x, f, d, weights, reach, beyond)


#: Nodes, and their weights in the rule, and in what it is checked by; shapes (n,) and (2, n).
_Piece = tuple[Array, Array]


def _evenly(spacing: float, low: float, high: float) -> list[_Piece]:
    """Return the nodes of the trapezoidal rule; none if they are too many."""
    if not (high - low) / _MOST < spacing < math.inf:
        return []
    index = np.arange(math.ceil(low / spacing), math.floor(high / spacing) + 1)
    weights = np.stack([np.full(index.size, spacing), spacing * (1 - 2 * (index % 2))])
    return [(np.asarray((index + _OFF_CENTRE) * spacing, dtype=float), np.asarray(weights, dtype=float))]


def _panels(branches: Branches, first: int, ends: Sequence[float], unit: float, split: int) -> list[_Piece]:
    """Return the nodes of Gauss's rules between the ends; none if they are too many."""
    found = []
    for branch, (low, high) in enumerate(pairwise(ends), first):
        is_exact = branches.degrees[branch] <= between_kinks.EXACT_DEGREE
        width = high - low
        count = float(between_kinks.panels_of(branches.scales[branch], unit, width / unit, 1 if is_exact else split))
        if not count <= between_kinks.MAX_PANELS:
            return []
        place, weights = between_kinks.rules(int(count), not is_exact)
        found.append((low + width * place, width * np.ascontiguousarray(weights[:, :2].T)))
    return found


def _beyond(
    branches: Branches, window: tuple[float, float], unit: float, reach: float, inside: Sequence[tuple[float, float]]
) -> tuple[float, ...]:
    """Return the bounds that `Grid.beyond` is.

    The inputs are at least `reach` standard deviations from the nodes that they do not use. There, phi'^2 and phi^2 are
    no more than `inside`, or further out what a few probes see.
    """
    far, width = probes(0.0)
    # What stands for so much of x, in units, stands for no more of z; the density falls at least as if s were 2 units.
    fall = width * np.exp(-0.5 * (far / 2) * (far / 2 + 2 * reach))
    found = []
    for x, (dd, ff) in zip((window[0] - unit * far, window[1] + unit * far), inside, strict=True):
        f, d = (g + 0.0 * x for g in branches.whole(x, *branches.params.values()))
        found.append((d * d @ fall + dd * fall[0], f * f @ fall + ff * fall[0], fall.sum() + fall[0]))
    return tuple(float(number) for pair in zip(*found, strict=True) for number in pair)
