"""Ways to build a deep network, as a figure: the frontier, and the signal layer by layer."""

from typing import TYPE_CHECKING

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from propstats.report.style import INK, PALETTE, THEORY, fitted, styled

if TYPE_CHECKING:
    from propstats.simulation.design import Design, Way

_MARKERS = ("o", "s", "^", "D", "v", "P")


def design_figure(result: "Design") -> Figure:
    """Draw nonlinearity against growth, with the frontier of stable units, and the signal over depth."""
    with styled():
        figure = Figure(figsize=(9.0, 4.2))
        frontier, signal = figure.subplots(1, 2)
        _frontier(frontier, result)
        _signal(signal, result)
        handles, texts = frontier.get_legend_handles_labels()
        figure.legend(handles, texts, loc="outside lower center", ncols=4, frameon=False)
        what = f"{fitted(result.activation, 30)}, {result.depth} layers of {result.width} units"
        figure.suptitle(what, x=0.01, ha="left", fontsize=10, parse_math=False)
        figure.draw_without_rendering()
    return figure


def _frontier(axes: Axes, result: "Design") -> None:
    axes.set_title("(a) what growth buys")
    axes.set_xlabel("growth of a gradient's mean square in a layer")
    axes.set_ylabel("nonlinear share of a layer's output")
    if result.frontier:
        points = [(point.growth, point.nonlinear_share) for point in result.frontier]
        axes.plot(*zip(*points, strict=True), color=INK, label="frontier: stable units, matched constants")
    bound = result.max_growth ** (1 / result.depth)
    axes.axvline(bound, color=THEORY, linestyle="--", label=f"allowed: x{result.max_growth:g} over all layers")
    for way, colour, marker in zip(result.ways, PALETTE, _MARKERS, strict=False):
        face = colour if way.fits else "none"
        axes.plot(
            way.layer_growth, way.nonlinear_share, marker, color=colour, markerfacecolor=face, markersize=7,
            linestyle="none", label=f"{way.name}{'' if way.fits else ' (does not fit)'}",
        )  # fmt: skip


def _signal(axes: Axes, result: "Design") -> None:
    axes.set_title("(b) the signal's second moment")
    axes.set_xlabel("layer")
    axes.set_yscale("log")
    for way, colour in zip(result.ways, PALETTE, strict=False):
        _trajectory(axes, way, colour)
    axes.axhspan(0.25, 4.0, color=INK, alpha=0.06, linewidth=0, zorder=0)
    axes.set_ylim(0.02, 50.0)
    axes.set_xlim(0, result.depth)
    axes.annotate(
        "lines: infinite width; bands: eight in ten simulated networks", (0.02, 0.02), xycoords="axes fraction",
        fontsize=7,
    )  # fmt: skip


def _trajectory(axes: Axes, way: "Way", colour: str) -> None:
    layers = range(len(way.second_moments))
    axes.plot(layers, way.second_moments, color=colour, linewidth=1.2)
    if way.simulated is not None:
        axes.fill_between(layers, way.simulated.low, way.simulated.high, color=colour, alpha=0.15, linewidth=0)
