"""A lesson as a figure."""

import math
from typing import TYPE_CHECKING, Any

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from propstats.report.style import THEORY, in_powers_of_two, legend_below, styled

if TYPE_CHECKING:
    from propstats.experiments.lessons.record import Curve, Lesson

# From the palette of Okabe and Ito; orange is theory's.
_COLOURS = ("#0072b2", "#009e73", "#cc79a7", "#56b4e9")


def lesson_figure(lesson: "Lesson") -> Figure:
    """Draw the curves of a lesson; theory's are dashed."""
    panel = lesson.panel
    with styled():
        figure = Figure(figsize=(6.0, 3.8))
        axes = figure.subplots()
        axes.set_title(panel.title)
        axes.set_xlabel(panel.x)
        axes.set_ylabel(panel.y)
        axes.set_xscale("log" if panel.log_x else "linear")
        if panel.log_y:
            in_powers_of_two(axes, [y for curve in panel.curves for y in curve.y], 0.7, 1.4)
        if panel.ticks:
            axes.set_xticks(range(len(panel.ticks)), panel.ticks)
            axes.set_xlim(-0.5, len(panel.ticks) - 0.5)
        elif not panel.log_x and all(float(x).is_integer() for curve in panel.curves for x in curve.x):
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))  # there is no layer 2.5
        colours = iter(_COLOURS)
        for curve in panel.curves:
            colour = THEORY if curve.is_theory else next(colours)
            axes.plot(curve.x, curve.y, label=curve.label, color=colour, **_drawn(curve, bool(panel.ticks)))
        legend_below(figure, columns=2 if len(panel.curves) == 4 else 3)
        figure.suptitle(lesson.title, x=0.01, ha="left", fontsize=11)
        figure.draw_without_rendering()
    return figure


def _drawn(curve: "Curve", of_kinds: bool) -> dict[str, Any]:
    """Return how a curve is drawn: points where kinds stand side by side, else a line."""
    if of_kinds:
        marker, size = ("_", 24) if curve.is_theory else ("o", 6)
        return {"linestyle": "none", "marker": marker, "markersize": size}
    # Few points are marked, also where most are missing: what diverges at once is a point, and no line.
    are_seen = sum(map(math.isfinite, curve.y)) < 30 and not curve.is_theory
    return {"linestyle": "--" if curve.is_theory else "-", "marker": "o" if are_seen else None, "markersize": 4}
