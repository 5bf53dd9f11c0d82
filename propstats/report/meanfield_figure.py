"""Mean field theory of one setting as a figure: both maps, and where they meet the diagonal."""

from itertools import pairwise
from typing import TYPE_CHECKING

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from propstats.errors import DomainError
from propstats.report.style import INK, MEASURED, THEORY, given, legend_below, sheet, styled, title

if TYPE_CHECKING:
    from collections.abc import Sequence

    from propstats.theory.mean_field.records import MeanField

#: Steps of the staircase that a signal takes.
_STEPS = 12


def meanfield_figure(result: "MeanField") -> Figure:
    """Draw what a layer makes of second moments and of correlations, with fixed points and the way a signal takes.

    Raises:
        DomainError: If the result has no tables of the maps.
    """
    maps = result.maps
    if maps is None:
        raise DomainError("the result has no tables of its maps", "compute it with mean_field(..., map_points=121)")
    with styled():
        figure, (second, correlation) = sheet(2, height=4.7)
        second.set_title("(a) second moment: q-map")
        _map(second, maps.q, maps.q_next, "q")
        for point in result.fixed_points:
            _fixed(second, point.q.value, attracts=point.stability.value == "stable")
        _staircase(second, [state.q.value for state in result.trajectory])
        correlation.set_title("(b) correlation of two inputs at q*: c-map")
        if maps.c:
            _map(correlation, maps.c, maps.c_next, "c")
            own = next((p for p in result.fixed_points if result.q_star and p.q.value == result.q_star.value), None)
            for at in own.correlations if own else ():
                _fixed(correlation, at.c.value, attracts=at.chi_c.value < 1.0)
        else:
            correlation.set_axis_off()
            text = f"the signal {result.fate.value}:\nthere is no fixed point at which to map correlations"
            correlation.text(0.5, 0.5, text, transform=correlation.transAxes, ha="center")
        legend_below(figure, columns=5)
        chi = f", chi_1 {result.chi_1.value:.4g}" if result.chi_1 is not None else ""
        phase = f": {result.phase.value}{chi}" if result.phase is not None else f": the signal {result.fate.value}"
        what = f"{result.activation}{given(result.params)}, sigma_w {result.sigma_w:g}, sigma_b {result.sigma_b:g}"
        title(figure, what + phase)
        figure.draw_without_rendering()
    return figure


def _map(axes: Axes, x: "Sequence[float]", y: "Sequence[float]", name: str) -> None:
    axes.plot((x[0], x[-1]), (x[0], x[-1]), color=INK, linestyle=":", linewidth=1.0, label="stays")
    axes.plot(x, y, color=MEASURED, linewidth=1.8, label="after a layer")
    axes.set_xlabel(f"{name} before a layer")
    axes.set_ylabel(f"{name} after it")
    margin = 0.03 * x[-1]
    axes.set_xlim(x[0] - margin, x[-1] + margin)
    axes.set_ylim(x[0] - margin, 1.25 * x[-1] if max(y) > x[-1] else x[-1] + margin)


def _fixed(axes: Axes, at: float, *, attracts: bool) -> None:
    label = "fixed point, attracts" if attracts else "fixed point, does not"
    face = INK if attracts else "white"
    axes.plot(at, at, "o", color=INK, markerfacecolor=face, markersize=7, zorder=4, clip_on=False, label=label)


def _staircase(axes: Axes, values: "list[float]") -> None:
    if len(values) < 2:
        return
    x, y = [values[0]], [values[0]]
    for before, after in pairwise(values[: _STEPS + 1]):
        x += [before, after]
        y += [after, after]
    axes.plot(x, y, color=THEORY, linewidth=1.0, label="the signal, layer by layer")
