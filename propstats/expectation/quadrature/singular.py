"""The moments of an activation that is infinite at some points: up to such a point z0 in `t = -log|z - z0|`.

In t the point is infinitely far away, a power of the distance is an exponential and its logarithm a straight line, so
that panels of moderate width resolve them.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from propstats.expectation.moments import BASE
from propstats.expectation.quadrature.branches import Branches
from propstats.expectation.quadrature.panels import COARSE, EPS, FINE, SQRT_2PI, Z_MAX, breakpoints
from propstats.expectation.quadrature.rule import Array, derivative, gauss_legendre
from propstats.expectation.quadrature.spans import Formulas, Span

_MAX_PANELS = 4_000
_NARROWEST = 1e-14
#: An integral that is still so uncertain, relative to its size, when panels are that narrow has no value.
_DIVERGENT = 1e-3
#: How far to go in t: the distance must be a float of full precision, and phi and its slope must not overflow.
_FARTHEST = (690.0, 340.0, 170.0, 85.0)
#: What decays as t^-2 or slower has no integral that could be guessed from its last values.
_SLOWEST = 2.0
#: The rows that are integrated, with y = phi - E[phi].
_ROWS = ("f", "d", "dd", "yy", "yz", "yyh")
#: For each moment its row; `E[y^2 (z^2 - 1)]/2` and `E[y z]/s` are its rates by Stein's lemma.
_ROW_OF = {
    "mean": "f",
    "var": "yy",
    "mean_slope": "d",
    "slope_second_moment": "dd",
    "linear_slope": "yz",
    "var_rate": "yyh",
}


@dataclass(frozen=True, slots=True)
class _Stretch:
    """An interval of z or of `t = -log|z - z0|`.

    Args:
        edges: The panels to begin with.
        formulas: phi and phi' in x, or in the distance of x from the point.
        place: Returns that, z, dz over the step in t, and how far t may be off, for an array of t.
        is_close: Whether it ends at the point.
    """

    edges: Array
    formulas: Formulas
    place: Callable[[Array], tuple[Array, Array, Array, Array]]
    is_close: bool


def integrate(branches: Branches, mean: float, std: float) -> tuple[dict[str, float], dict[str, float]]:
    """Return the base moments and bounds on their errors; NaN and infinity where an expectation does not exist.

    Args:
        branches: The activation, with spans.
        mean: Mean of the input.
        std: Standard deviation of the input; positive.

    >>> from propstats.activations.own import from_expression
    >>> from propstats.expectation.quadrature.branches import branches
    >>> values, _ = integrate(branches(from_expression("log(abs(x))")), 0.0, 1.0)
    >>> round(values["mean"], 12), round(values["var"], 12), values["mean_slope"]  # -(gamma + log 2)/2, pi^2/8
    (-0.635181422731, 1.233700550136, nan)
    """
    with np.errstate(all="ignore"):
        centres = tuple(branches.centres())
        stretches = [stretch for span in branches.spans for stretch in _stretches(span, mean, std, centres)]
        panels = _resolved(stretches)
        values, errors = panels.moments(std)
    for name in branches.undefined:
        values[name], errors[name] = math.nan, math.inf
    return values, errors


def _stretches(span: Span, mean: float, std: float, centres: tuple[tuple[float, float], ...]) -> list[_Stretch]:
    """Cut a span into what lies close to points at which phi may be infinite, and the rest."""
    ends = {1: (span.low - mean) / std, -1: (span.high - mean) / std}
    low, high = (min(max(end, -Z_MAX), Z_MAX) for end in ends.values())
    if not low < high:
        return []
    found, reach = [], 2.0 ** math.floor(math.log2(min((high - low) / 4, 1.0)))
    for side, formulas in span.ends.items():
        if abs(ends[side]) >= Z_MAX:
            continue  # nothing is left of the density there
        place = partial(_close, ends[side], side, std)
        lasts = [t + min(0.0, math.log(std)) for t in _FARTHEST]
        last = next((t for t in lasts if math.isfinite(sum(formulas.rounding(std * math.exp(-t))))), lasts[-1])
        first = -math.log(reach)
        last = max(last, first + 1.0)
        grid = np.concatenate([first + 2.0 ** np.arange(5) - 1.0, np.linspace(first + 0.25 * (last - first), last, 7)])
        edges = np.unique(np.minimum(grid, last))
        found.append(_Stretch(edges, formulas, place, is_close=True))
        low, high = (low + reach, high) if side > 0 else (low, high - reach)
    grid = breakpoints(mean, std, (), centres)
    edges = np.concatenate([[low], grid[(grid > low) & (grid < high)], [high]])
    return [*found, _Stretch(edges, span.inside, partial(_inside, mean, std), is_close=False)]


def _close(point: float, side: int, std: float, t: Array) -> tuple[Array, Array, Array, Array]:
    step = np.exp(-t)
    return std * step, point + side * step, step, EPS * np.abs(t)


def _inside(mean: float, std: float, z: Array) -> tuple[Array, Array, Array, Array]:
    x = mean + std * z
    return x, z, np.ones_like(z), EPS * (np.abs(z) + (abs(mean) + np.abs(x)) / std)


def _resolved(stretches: list[_Stretch]) -> "_Panels":
    """Return panels that are halved until every row is resolved on each of them."""
    left = np.concatenate([s.edges[:-1] for s in stretches])
    width = np.concatenate([np.diff(s.edges) for s in stretches])
    which = np.repeat(np.arange(len(stretches)), [s.edges.size - 1 for s in stretches])
    while True:
        panels = _Panels(stretches, which, left, width)
        poor = panels.unresolved()
        if not poor.any() or left.size + poor.sum() > _MAX_PANELS:
            return panels
        half = np.where(poor, width / 2, width)
        left = np.concatenate([left, (left + half)[poor]])
        width, which = np.concatenate([half, half[poor]]), np.concatenate([which, which[poor]])


class _Panels:
    """Every row integrated over every panel by both rules."""

    def __init__(self, stretches: list[_Stretch], which: NDArray[np.intp], left: Array, width: Array) -> None:
        nodes = np.concatenate([gauss_legendre(FINE)[0], gauss_legendre(COARSE)[0]])
        fine, coarse = gauss_legendre(FINE)[1], gauss_legendre(COARSE)[1]
        t = left[:, None] + width[:, None] * nodes
        x, z, f, d, density, off = (np.empty(t.shape) for _ in range(6))
        rounding = np.empty((2, *t.shape))
        self._width = width
        #: The panels of each stretch that ends at a point, where they end, and where the last one does.
        self._close: list[tuple[NDArray[np.intp], Array, float]] = []
        for i, stretch in enumerate(stretches):
            own = np.flatnonzero(which == i)
            x[own], z[own], density[own], off[own] = stretch.place(t[own])
            f[own], d[own] = stretch.formulas.both(x[own])
            node = FINE - 1 if stretch.is_close else FINE // 2
            at_node = np.array([stretch.formulas.rounding(at) for at in x[own, node].tolist()]).T[..., None]
            if stretch.is_close:
                # Towards the point, what cancels loses more and more of its digits: the last node has lost the most.
                pair = np.stack([f[own], d[own]])
                share = np.abs(pair / pair[..., node, None])
                at_node = at_node * np.where(np.isfinite(share), share, 1.0)
            rounding[:, own] = at_node
            if stretch.is_close:
                self._close.append((own, left[own] + width[own], float(stretch.edges[-1])))
        density *= np.exp(-0.5 * z * z) * (width[:, None] / SQRT_2PI)
        self.mean = float(((f * density)[:, :FINE] @ fine).sum())
        y, heat = f - self.mean, (z * z - 1) / 2
        self.rows = np.stack([f, d, d * d, y * y, y * z, y * y * heat]) * density
        self.value = self.rows[..., :FINE] @ fine
        self.size = np.abs(self.rows[..., :FINE]) @ fine
        self.gap = np.abs(self.value - self.rows[..., FINE:] @ coarse)
        f_error, d_error = rounding
        y_error = f_error + EPS * (np.abs(f) + abs(self.mean))
        both = (2 * np.abs(y) + y_error) * y_error
        errors = (f_error, d_error, (2 * np.abs(d) + d_error) * d_error, both, np.abs(z) * y_error)
        noise = np.stack([*errors, np.abs(heat) * both]) * density
        # What t is off by moves every row along its slope, which is that over a panel.
        slopes = np.abs(self.rows[..., :FINE] @ derivative(FINE)) / width[:, None]
        self.noise = (noise[..., :FINE] + slopes * off[:, :FINE]) @ fine + 8 * EPS * self.size

    def unresolved(self) -> NDArray[np.bool_]:
        """Return which panels are to be halved."""
        total = self.size.sum(axis=1, keepdims=True)
        rough = (self.gap > EPS / 4 * total) & (self.gap > 16 * EPS * self.size + 4 * self.noise)
        return np.asarray(rough[np.isfinite(total[:, 0])].any(axis=0) & (self._width > _NARROWEST))

    def _integral(self, name: str) -> tuple[float, float]:
        row = _ROWS.index(name)
        value, size = float(self.value[row].sum()), float(self.size[row].sum())
        error = float(self.gap[row].sum() + self.noise[row].sum()) + 4 * EPS * size + self._beyond(row, size)
        # Where bisection ended there is a point that nobody knew of: what is left there is not resolved.
        narrow = self._width <= _NARROWEST
        error += float(self.size[row, narrow].sum())
        is_singular = error > _DIVERGENT * size and bool(narrow.any())
        return (math.nan, math.inf) if is_singular or not math.isfinite(value + error) else (value, error)

    def _beyond(self, row: int, size: float) -> float:
        """Return what may lie closer to the points than the last panels, from how the row decays there."""
        beyond = 0.0
        for own, ends, last in self._close:
            # The largest of each panel: close to a point a function may oscillate.
            heights = np.abs(self.rows[row, own]).max(axis=1) / self._width[own]
            here = float(heights[ends >= last].max())
            if here > EPS * EPS * size:
                before, after = heights[(last / 2 <= ends) & (ends < 0.75 * last)], heights[ends >= 0.75 * last]
                rate = 4 / last * math.log(before.max() / after.max()) if before.size and here < math.inf else 0.0
                beyond += 2 * here / rate if rate * last >= _SLOWEST else math.inf
        return beyond

    def moments(self, std: float) -> tuple[dict[str, float], dict[str, float]]:
        """Return the base moments and the bounds on their errors."""
        found = {name: self._integral(row) for name, row in _ROW_OF.items()}
        values, errors = ({name: pair[i] for name, pair in found.items()} for i in (0, 1))
        values["linear_slope"], errors["linear_slope"] = values["linear_slope"] / std, errors["linear_slope"] / std
        mean, off = values["mean"], errors["mean"]
        # y is off by what the mean is off by.
        errors["var_rate"] += off * math.sqrt(2 * max(values["var"], 0.0))
        errors["var"] += off * off
        values["second_moment"] = values["var"] + mean * mean
        errors["second_moment"] = errors["var"] + off * (2 * abs(mean) + off) + 2 * EPS * values["second_moment"]
        for name in BASE:
            if not (math.isfinite(values[name]) and math.isfinite(errors[name])):
                values[name], errors[name] = math.nan, math.inf
        return {name: values[name] for name in BASE}, {name: errors[name] for name in BASE}
