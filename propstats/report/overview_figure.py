"""An audit at a glance, as a figure for files: signal, gradient, correlation and dead units over depth."""

import math
from collections.abc import Callable, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from propstats.auditing.records import AuditReport, Layer
from propstats.report.depth_figure import draw_depth, ticks
from propstats.report.style import BARS, INK, MEASURED, THEORY, fitted, styled


def overview_figure(report: AuditReport, *, titled: bool = True) -> Figure:
    """Draw an audit on one sheet.

    Above, the signal's spread and the gradient's norm at every layer of weights, measured and by theory with 95 %
    bands; below, the correlation of two inputs and the shares of dead units and saturated inputs, at every layer.

    Args:
        report: The audit.
        titled: Whether a title says the verdict.
    """
    with styled():
        figure = Figure(figsize=(9.0, 6.6))
        grid = figure.add_gridspec(2, 1, height_ratios=(3.8, 2.8))
        upper, lower = figure.add_subfigure(grid[0]), figure.add_subfigure(grid[1])
        draw_depth(upper, report)
        left, right = lower.subplots(1, 2)
        left.set_title("(c) correlation of two inputs: at 1 nothing is told apart")
        left.set_ylabel("correlation")
        _correlation(left, report.layers)
        right.set_title("(d) share of dead units, of saturated inputs")
        right.set_ylabel("share")
        _shares(right, report.layers)
        for axes in (left, right):
            axes.set_xlabel("layers, from input to output")
            ticks(axes, [layer.name for layer in report.layers])
        if titled:
            name = fitted(report.model.path or report.model.format, 60)
            verdict = "signal survives" if report.passed else "signal does not survive"
            figure.suptitle(f"{name} on {fitted(report.data.name, 30)}: {verdict}", fontsize=11, parse_math=False)
    return figure


def _correlation(axes: Axes, layers: Sequence[Layer]) -> None:
    measured = [layer.forward.c for layer in layers]
    expected = [_expected_correlation(layer) for layer in layers]
    if any(map(math.isfinite, expected)):
        axes.plot(expected, color=THEORY, marker=".", markersize=3, label="theory")
    axes.plot(measured, "o", color=MEASURED, markersize=3, label="measured")
    axes.set_ylim(-0.05, 1.05)
    axes.legend(loc="best", frameon=False)


def _expected_correlation(layer: Layer) -> float:
    expected = layer.expected
    return 1.0 - expected.var / expected.q if expected is not None and expected.q > 0 else math.nan


def _shares(axes: Axes, layers: Sequence[Layer]) -> None:
    dead: Callable[[Layer], float | None] = lambda layer: layer.forward.dead  # noqa: E731 - two of a kind
    saturated: Callable[[Layer], float | None] = lambda layer: layer.forward.saturated  # noqa: E731
    drawn = False
    for share, colour, text in ((dead, INK, "dead"), (saturated, BARS, "saturated")):
        points = [(i, value) for i, layer in enumerate(layers) if (value := share(layer)) is not None]
        if points:
            axes.plot(*zip(*points, strict=True), marker="o", markersize=3, color=colour, label=text)
            drawn = True
    axes.set_ylim(-0.05, 1.05)
    axes.set_xlim(-0.6, max(len(layers), 1) - 0.4)
    if drawn:
        axes.legend(loc="best", frameon=False)
    else:
        axes.text(0.5, 0.5, "no activations", transform=axes.transAxes, ha="center")
