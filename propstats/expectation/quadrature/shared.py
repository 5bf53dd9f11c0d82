"""One set of nodes for many inputs: phi is evaluated once, and only the weights differ from input to input.

Inputs share nodes if their standard deviations are within an octave and their means are not far apart. All averages of
products of phi, its slope and x are then one product of matrices; they are centred afterwards, and once more where that
would cost digits.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import groupby, pairwise

import numpy as np
from numpy.typing import NDArray

from propstats.expectation.quadrature import between_kinks, trapezoid
from propstats.expectation.quadrature.branches import Branches
from propstats.expectation.quadrature.panels import EPS, SQRT_2PI
from propstats.expectation.quadrature.rule import Array
from propstats.expectation.quadrature.scales import Scale
from propstats.expectation.quadrature.sums import Sums, probes

#: So many inputs are worth nodes of their own, and so many nodes are too many.
_ENOUGH, _MOST = 24, 1_000
#: So many numbers at a time: what one step works on stays in the processor's cache.
_CHUNK = 40_000
#: Where the trapezoidal rule's nodes are, in spacings from the origin: no symmetry hides what it misses.
_OFF_CENTRE = 11 / 32
#: How much smaller than E[(phi - c)^2] a variance may be that is taken from it.
_CANCELS = 1 / 30


#: How far the means may be apart of inputs that share nodes, in units of half their octave: no node is farther from any
#: input than the density reaches. And how many times that from 0.
_ROOM, _FARTHEST = 5.0, 2.0**20
#: The power of y in each row of averages; see `Shared.averages`.
_POWERS = np.array([0, 1, 1, 2] * 2 + [0, 0, 0] + [0, 2] + [0, 1] * 2 + [1])
_Y, _YY = 2, 3
#: Gauss's rule alone, and with another one to check it by.
_GAUSS, _CHECKED = -1, -2
#: So many of them are for the trapezoidal rule as well.
_EVENLY = 13


@dataclass(frozen=True)
class Shared:
    """Nodes for all inputs of a group, with what does not depend on the input.

    Args:
        kind: The branch that is integrated by the trapezoidal rule, or one of Gauss's rules.
        spacing: The spacing of the trapezoidal rule, or 0.
        origin: What all x are counted from.
        x: Nodes, shape (n,).
        f: phi at the nodes.
        d: phi' at the nodes.
        weights: The weights of the rule, and of what it is checked by, shape (2, n).
        reach: How many standard deviations the nodes reach from any input.
        window: Where they end.
        beyond: Bounds on what lies beyond these ends of phi'^2, phi^2 and 1, over the density there.
    """

    kind: int
    spacing: float
    origin: float
    x: Array
    f: Array
    d: Array
    weights: Array
    reach: float
    window: tuple[float, float]
    beyond: tuple[float, ...]

    def averages(self, mean: Array, std: Array) -> tuple[Array, Array]:
        """Return averages of products of y = phi - shift, the slope and x - origin, and the shifts.

        Returns:
            Averages of d, y d, y and y^2; the same times x; of d^2 times 1, x and x^2; by the check, and beyond the
            nodes, of d^2 and y^2; for Gauss's rule also by its check of d, y d, the same times x, and y; shape
            (rows, batch). The shifts, shape (batch,).
        """
        mu = mean - self.origin
        level, rows, g, weighted = self._rows
        found, shift = self._average(weighted, mu, std), np.full(mean.size, level)
        poor = np.flatnonzero(~(found[_YY] - found[_Y] ** 2 > _CANCELS * found[_YY]))
        if poor.size:
            shift[poor] += found[_Y, poor]
            found[:, poor] = self._average(rows, mu[poor], std[poor], g[:, None] - found[_Y, poor])
        return found, shift

    def _average(self, rows: Array, mu: Array, std: Array, y: Array | None = None) -> Array:
        """Average rows over x ~ N(mu, std^2), from the origin; if y is given, of shape (n, batch), times its powers.

        The standard deviations ascend.
        """
        steepness = math.sqrt(0.5) / std
        # A product of matrices is three times as fast as broadcasting, and memory that is used again as new one.
        line, lines = self._line, np.stack([steepness, -steepness * mu])
        minus = -lines
        found = np.empty((len(rows), mu.size))
        low, high = float(mu.min()), float(mu.max())
        step = max(1, _CHUNK // self.x.size)
        memory = np.empty((2, self.x.size * min(step, mu.size)))
        for start in range(0, mu.size, step):
            own = slice(start, min(start + step, mu.size))
            margin = self.reach * float(std[own.stop - 1])
            nodes = self._between(low - margin, high + margin)
            size = nodes.stop - nodes.start, own.stop - own.start
            density, other = memory[:, : size[0] * size[1]].reshape(2, *size)
            np.matmul(line[nodes], lines[:, own], out=density)
            np.matmul(line[nodes], minus[:, own], out=other)
            density *= other
            np.exp(density, out=density)
            if y is None:
                np.matmul(rows[:, nodes], density, out=found[:, own])
                continue
            for power in range(3):
                which = _POWERS[: len(rows)] == power
                found[which, own] = rows[which, nodes] @ density
                density *= y[nodes, own]
        found *= steepness / math.sqrt(math.pi)
        return found

    def _between(self, low: float, high: float) -> slice:
        """Return which nodes to use for inputs that have nothing further out."""
        if not self.spacing:
            return slice(0, self.x.size)
        first, last = ((end - self.x[0]) / self.spacing for end in (low, high))
        return slice(max(math.floor(first), 0), min(math.ceil(last) + 1, self.x.size))

    @cached_property
    def _line(self) -> Array:
        return np.stack([self.x, np.ones(self.x.size)], axis=1)

    @cached_property
    def _rows(self) -> tuple[float, Array, Array, Array]:
        """A level of phi; what is averaged but for powers of y; phi less the level; and the rows with its powers."""
        x, d, (rule, check) = self.x, self.d, self.weights
        dr, dc, dd = d * rule, d * check, d * d
        first, last = np.stack([dr, dr, rule, rule]), np.stack([dd * rule, dd * x * rule, dd * x * x * rule])
        rows = np.stack([*first, *(first * x), *last, dd * check, check, dc, dc, dc * x, dc * x, check])
        rows = rows if self.kind == _CHECKED else rows[:_EVENLY]
        level = float(self.f[np.argmin(np.abs(x - (x.min() + x.max()) / 2))])
        g = self.f - level
        return level, rows, g, rows * np.stack([np.ones(g.size), g, g * g])[_POWERS[: len(rows)]]


def order(mean: Array, std: Array) -> NDArray[np.intp]:
    """Return the order of inputs in which those that share nodes are neighbours, with ascending standard deviations."""
    octave, cell = _cells(mean, std)
    found = np.argsort(std)
    return found if cell.min(initial=0.0) == cell.max(initial=0.0) else found[np.lexsort((cell[found], octave[found]))]


def _cells(mean: Array, std: Array) -> tuple[NDArray[np.intc], Array]:
    """Return the octave of each standard deviation, and where in units of that octave the mean is."""
    octave = np.frexp(std)[1]
    return octave, np.rint(mean / np.ldexp(_ROOM, octave))


def sums(
    branches: Branches, mean: Array, std: Array, reach: float, split: int
) -> Iterator[tuple[slice | NDArray[np.intp], Sums]]:
    """Yield some of the inputs, and their sums; there are inputs that share no nodes.

    Args:
        branches: The activation.
        mean: Means of the inputs, in the order of `order`.
        std: Standard deviations.
        reach: Where the nodes end, in standard deviations.
        split: Into how many to split each spacing.
    """
    groups = sorted(_groups(branches, mean, std, reach, split), key=lambda group: group[0].kind)
    for kind, own in groupby(groups, key=lambda group: group[0].kind):
        nodes, parts = zip(*own, strict=True)
        found = [group.averages(mean[some], std[some]) for group, some in zip(nodes, parts, strict=True)]
        averages, shift = (np.concatenate(arrays, axis=-1) for arrays in zip(*found, strict=True))
        is_whole = all(left.stop == right.start for left, right in pairwise(parts))
        which = slice(parts[0].start, parts[-1].stop) if is_whole else np.r_[parts]
        table = [(group.origin, group.spacing, *group.window, *group.beyond) for group in nodes]
        origin, spacing, low, high, *beyond = np.repeat(table, [some.stop - some.start for some in parts], axis=0).T
        mu, s = mean[which], std[which]
        z = np.stack([mu - low, high - mu]) / s
        density = np.exp(-0.5 * z * z) / SQRT_2PI
        dd, ff, one = (density[0] * left + density[1] * right for left, right in zip(*[iter(beyond)] * 2, strict=True))
        scale = branches.scales[kind] if kind >= 0 else None
        yield which, _centred(averages, shift, (dd, 2 * (ff + one * shift * shift)), mu - origin, s, scale, spacing)


def _centred(
    averages: Array, shift: Array, far: tuple[Array, Array], mu: Array, std: Array, scale: Scale | None, spacing: Array
) -> Sums:
    """Turn averages into sums.

    Args:
        averages: The averages.
        shift: What phi is counted from in them.
        far: Bounds on what lies beyond the nodes of phi'^2 and y^2.
        mu: Means of the inputs, from the origin.
        std: Standard deviations of the inputs.
        scale: How fast the branch changes, for the trapezoidal rule.
        spacing: Its spacing.
    """
    d, yd, y, yy = averages[:4]
    dz, ydz, yz, yyz = (averages[4:8] - mu * averages[:4]) / std
    dd, ddx, ddxx, other_dd, other_yy = averages[8:_EVENLY]
    var, lever = yy - y * y, np.sqrt(np.maximum(ddxx - mu * (2 * ddx - mu * dd), 0.0)) / std
    lean = ydz - y * dz
    size, spread, slope = np.sqrt(yy), np.sqrt(var), np.sqrt(dd)
    natural = np.stack([spread, slope, dd, var, spread * lever])
    # z is rounded by about EPS (|mu|/s + |z|), and the density magnifies that by z.
    away = np.abs(mu) / std
    tail = np.sqrt(yy + 2 * std * np.abs(ydz))
    rounding = np.stack(
        [
            size * (away + 3),
            slope + lever * (away + 1),
            slope * lever * away + lever * lever,
            6 * yy + tail * (size * away + tail),
            8 * size * (lever + away * slope) + tail * lever * (away + 1),
        ]
    )
    if len(averages) == _EVENLY and scale is None:
        missed = np.zeros((5, std.size))
    elif scale is None:
        other_d, other_yd, other_dx, other_ydx, other_y = averages[_EVENLY:]
        other_lean = (other_ydx - mu * other_yd - other_y * (other_dx - mu * other_d)) / std
        found, other = (y, d, dd, var, lean), (other_y, other_d, other_dd, other_yy - other_y**2, other_lean)
        missed = np.abs(np.stack(found) - np.stack(other))
    else:
        # Stein's lemma, E[z y] = s E[y'] and E[z y^2] = 2 s E[y y'], sees what this very rule misses.
        noise = 8 * EPS * (away + 3)
        stein = np.maximum(np.abs(yz - std * d) - noise * size, 0.0) / (std * slope)
        stein += np.maximum(np.abs(yyz - 2 * (y * yz + std * (yd - y * d))) - noise * yy, 0.0) / (
            2 * std * spread * slope
        )
        coarse = np.abs(other_dd) / dd + np.abs(other_yy) / yy
        # What chance hides for one input, it does not hide for its neighbours.
        for k in (1, 2, 4):
            coarse[k:] = np.maximum(coarse[k:], coarse[:-k])
        missed = trapezoid.missed_by(scale, std, 2 * math.pi * std / spacing, stein, coarse) * natural
    missed += EPS * rounding
    return Sums(shift + y, d, dd, var, lean, lever * lever, tuple(missed), far[1], far[0])


def _groups(branches: Branches, mean: Array, std: Array, reach: float, split: int) -> Iterator[tuple[Shared, slice]]:
    """Yield nodes, and the inputs that share them."""
    octave, cell = _cells(mean, std)
    new = np.flatnonzero((octave[1:] != octave[:-1]) | (cell[1:] != cell[:-1])) + 1
    for start, stop in pairwise([0, *new.tolist(), mean.size]):
        # So far out, the window would be rounded.
        if stop - start >= _ENOUGH and abs(cell[start]) < _FARTHEST:
            own, unit = slice(start, stop), math.ldexp(0.5, int(octave[start]))
            low, high = float((mean[own] - reach * std[own]).min()), float((mean[own] + reach * std[own]).max())
            # Whole numbers, so that other inputs find the same nodes again.
            nodes = _nodes(branches, math.floor(low / unit), math.ceil(high / unit), unit, reach, split)
            if nodes is not None:
                yield nodes, own


@lru_cache(maxsize=64)
def _nodes(branches: Branches, low: float, high: float, least: float, reach: float, split: int) -> Shared | None:
    """Lay out nodes for all inputs whose windows are within one; None where that is not the way.

    Args:
        branches: The activation.
        low: Where the window begins, in units of `least`.
        high: Where it ends.
        least: The smallest standard deviation.
        reach: How many standard deviations are in a window, on either side.
        split: Into how many to split each spacing.
    """
    low, high = low * least, high * least
    origin = 0.0 if low <= 0.0 <= high else (low + high) / 2
    kinks = [kink.at for kink in branches.kinks]
    ends = [end - origin for end in (low, *[kink for kink in kinks if low < kink < high], high)]
    first = sum(kink <= low for kink in kinks)
    spacing, pieces = 0.0, _panels(branches, first, ends, least, split)
    if len(ends) == 2:
        spacing = trapezoid.spacing(branches.scales[first], least, split)
        pieces = _evenly(spacing, *ends) if branches.degrees[first] > 0.0 else []
    if not pieces:
        return None
    is_checked = any(degree > between_kinks.EXACT_DEGREE for degree in branches.degrees[first : first + len(ends) - 1])
    parts = branches.parts[first : first + len(ends) - 1]
    both = [part(origin + x, *branches.params.values()) for part, (x, _) in zip(parts, pieces, strict=True)]
    f, d = (np.concatenate([g[i] + 0.0 * x for g, (x, _) in zip(both, pieces, strict=True)]) for i in (0, 1))
    x, weights = (np.concatenate([piece[i] for piece in pieces], axis=-1) for i in (0, 1))
    return Shared(
        first if spacing else _CHECKED if is_checked else _GAUSS, spacing, origin, x, f, d, weights, reach, (low, high),
        _beyond(branches, low, high, least, reach),
    )  # fmt: skip


def _beyond(branches: Branches, low: float, high: float, least: float, reach: float) -> tuple[float, ...]:
    """Return bounds on what lies below and above a window of phi'^2, phi^2 and 1, over the density at its end.

    The inputs are at least `reach` standard deviations from there, which are at most twice the least.
    """
    far, width = probes(0.0)
    # What stands for so much of x stands for no more of z.
    weights = np.exp(-0.5 * (far / 2) * (far / 2 + 2 * reach)) * width
    found = []
    for x in (low - least * far, high + least * far):
        f, d = (g + 0.0 * x for g in branches.whole(x, *branches.params.values()))
        found.append((d * d @ weights, f * f @ weights, weights.sum()))
    return tuple(float(number) for pair in zip(*found, strict=True) for number in pair)


#: Nodes, and their weights in the rule, and in what it is checked by; shapes (n,) and (2, n).
_Piece = tuple[Array, Array]


def _evenly(spacing: float, low: float, high: float) -> list[_Piece]:
    """Return the nodes of the trapezoidal rule; none if they are too many."""
    if not (high - low) / _MOST < spacing < math.inf:
        return []
    index = np.arange(math.ceil(low / spacing), math.floor(high / spacing) + 1)
    one = np.full(index.size, spacing)
    return [((index + _OFF_CENTRE) * spacing, np.stack([one, one * (1 - 2 * (index % 2))]))]


def _panels(branches: Branches, first: int, ends: Sequence[float], std: float, split: int) -> list[_Piece]:
    """Return the nodes of Gauss's rules between the ends; none if they are too many."""
    found = []
    for branch, (low, high) in enumerate(pairwise(ends), first):
        count = float(between_kinks.panels_of(branches.scales[branch], std, (high - low) / std, split))
        if not count <= between_kinks.MAX_PANELS:
            return []
        place, weights = between_kinks.rules(int(count), branches.degrees[branch] > between_kinks.EXACT_DEGREE)
        found.append((low + (high - low) * place, (high - low) * weights[:, :2].T))
    return found
