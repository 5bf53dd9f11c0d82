"""A lesson as a figure."""

from typing import TYPE_CHECKING

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from propstats.report.style import THEORY, styled

if TYPE_CHECKING:
    from propstats.experiments.lessons.record import Lesson

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
        axes.set_yscale("log" if panel.log_y else "linear")
        if not panel.log_x and all(float(x).is_integer() for curve in panel.curves for x in curve.x):
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))  # there is no layer 2.5
        colours = iter(_COLOURS)
        for curve in panel.curves:
            marker = "o" if len(curve.x) < 30 and not curve.is_theory else None
            colour, line = (THEORY, "--") if curve.is_theory else (next(colours), "-")
            axes.plot(curve.x, curve.y, label=curve.label, color=colour, linestyle=line, marker=marker, markersize=4)
        axes.legend(frameon=False)
        figure.suptitle(lesson.title, x=0.01, ha="left", fontsize=11)
        figure.draw_without_rendering()
    return figure
