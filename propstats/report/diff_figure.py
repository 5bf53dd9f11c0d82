"""What changed between two audits, as a figure."""

import math
from typing import TYPE_CHECKING

from matplotlib.figure import Figure

from propstats.report.style import INK, MEASURED, THEORY, fitted, legend_below, sheet, styled, title

if TYPE_CHECKING:
    from propstats.report.diff import AuditDiff

#: Statistics in the figure; all of them are in the JSON.
_SHOWN = 24


def diff_figure(result: "AuditDiff") -> Figure:
    """Draw the statistics that moved, by their distance in standard errors; the furthest on top."""
    moves = [move for move in result.moved if move.z is not None and math.isfinite(move.z)][:_SHOWN]
    with styled():
        figure, (axes,) = sheet(height=max(2.2, 1.5 + 0.22 * len(moves)))
        for place, move in enumerate(moves):
            z = move.z or 0.0
            colour, label = (THEORY, "grew") if z > 0 else (MEASURED, "shrank")
            axes.plot((0.0, z), (place, place), color=colour, linewidth=1.2)
            axes.plot(z, place, "o", color=colour, markersize=5, label=label)
        names = [f"{fitted(move.layer, 24)}: {move.statistic}" for move in moves]
        axes.set_yticks(range(len(moves)), names, parse_math=False)
        axes.set_ylim(max(len(moves), 1) - 0.4, -0.6)
        axes.grid(visible=False, axis="y")
        axes.set_xlabel("change, in standard errors of the difference")
        if moves:
            axes.axvline(0.0, color=INK, linewidth=0.8)
        else:
            axes.set_xlim(-5, 5)
            axes.text(0.5, 0.5, "no statistic moved beyond its errors", transform=axes.transAxes, ha="center")
        legend_below(figure)
        worse = sum(change.change in ("new", "worse") for change in result.findings)
        text = f"{len(result.moved)} of {result.compared} statistics moved, {worse} findings new or worse"
        title(figure, text + (f"; the furthest {len(moves)}" if len(result.moved) > len(moves) > 0 else ""))
        figure.draw_without_rendering()
    return figure
