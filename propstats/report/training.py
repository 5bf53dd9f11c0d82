"""What reports on trained networks have in common: files, and curves over networks."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from propstats.files import write_atomically
from propstats.report.style import render

_LEVEL = 0.975  # of an interval of 95 %


def write_report(path: str | os.PathLike[str], figure: Figure, markdown: Callable[[str], str]) -> None:
    """Write a report, and its figure beside it, with the same name and `.svg`.

    Args:
        path: The report's file.
        figure: The figure.
        markdown: Returns the report, from the name of the figure's file.

    Raises:
        OutputError: If a file cannot be written.
    """
    beside = Path(path).with_suffix(".svg")
    write_atomically(beside, render(figure, "svg"))
    write_atomically(path, markdown(beside.name))


def draw_networks(
    axes: Axes, at: Sequence[float], networks: Sequence[Sequence[float]], *, label: str, colour: str, line: str = "-"
) -> None:
    """Draw the mean over networks along training, and where it lies with 95 %, by Student's t.

    Args:
        axes: Where.
        at: Where on the horizontal axis.
        networks: The values of each network; those that diverged end early, and all curves with them.
        label: What the legend says.
        colour: Of the line.
        line: Its style.
    """
    from scipy import stats

    length = min((len(values) for values in networks), default=0)
    at = at[:length]
    values = np.array([network[:length] for network in networks])
    mean = values.mean(axis=0) if length else values[:0]
    axes.plot(at, mean, color=colour, linestyle=line, label=label, marker="." if length == 1 else None)
    if length and len(values) > 1:
        half = stats.t.ppf(_LEVEL, len(values) - 1) * values.std(axis=0, ddof=1) / np.sqrt(len(values))
        axes.fill_between(at, mean - half, mean + half, color=colour, alpha=0.12, linewidth=0)
