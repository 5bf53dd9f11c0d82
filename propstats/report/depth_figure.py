"""An audit over depth, as a figure."""

import math
from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from propstats.auditing.judging.limits import FAIL_FACTOR
from propstats.auditing.records import AuditReport, Layer
from propstats.report.style import INK, MEASURED, THEORY, band, fitted, in_powers_of_two, positive, root

_TICKS = 14


def draw_depth(figure: Figure | SubFigure, report: AuditReport) -> None:
    """Draw the signal's spread at every layer of weights, and the gradient's norm, into a figure or a part of one.

    Points are measured, lines expected from the network's input and output alone; both show 95 % intervals.
    """
    layers = [layer for layer in report.layers if layer.is_weights]
    forward, backward = figure.subplots(1, 2)
    forward.set_title("(a) signal: standard deviation over the data")
    forward.set_ylabel("standard deviation")
    _panel(forward, list(map(_signal, layers)), list(map(_expected_signal, layers)), first=True)
    backward.set_title("(b) gradient: norm relative to the output end")
    backward.set_ylabel("relative norm")
    gradients = [_relative(list(map(point, layers))) for point in (_gradient, _expected_gradient)]
    _panel(backward, *gradients, first=False)
    for axes in (forward, backward):
        axes.set_xlabel("layers of weights, from input to output")
        ticks(axes, [layer.name for layer in layers])
    entries = [axes.get_legend_handles_labels() for axes in (forward, backward)]
    legend = {text: handle for pair in entries for handle, text in zip(*pair, strict=True)}  # each once
    texts = sorted(legend, key=lambda text: (text[0] == "f", text[0] != "m"))  # measured first, fails last
    handles = [legend[text] for text in texts]
    figure.legend(handles, texts, loc="outside lower center", ncols=5, frameon=False, columnspacing=1.2)


def ticks(axes: Axes, names: Sequence[str]) -> None:
    """Write the names of layers along an axis: as many as there is room for."""
    places = range(0, len(names), max(1, math.ceil(len(names) / _TICKS)))
    shown = [fitted(names[i], 18) for i in places]
    slant: dict[str, Any] = (
        {"rotation": 40, "ha": "right", "rotation_mode": "anchor"} if sum(map(len, shown)) > 40 else {}
    )
    axes.set_xticks(list(places), shown, parse_math=False, **slant)
    axes.grid(visible=False, axis="x")


_Point = tuple[float, float]  # a value, NaN where there is none, and its relative standard error
_NOWHERE = (math.nan, 0.0)


def _signal(layer: Layer) -> _Point:
    var = layer.forward.var
    return _root_of(var.value, var.error / var.value if var.value > 0 else 0.0)


def _expected_signal(layer: Layer) -> _Point:
    return _root_of(layer.expected.var, layer.expected.error) if layer.expected else _NOWHERE


def _gradient(layer: Layer) -> _Point:
    output = layer.backward.output
    if output is None:
        return _NOWHERE
    error = output.error / output.value if output.value > 0 else 0.0
    return _root_of(math.prod(layer.shape) * output.value, error)


def _expected_gradient(layer: Layer) -> _Point:
    if layer.expected is None or layer.expected.gradient_output is None:
        return _NOWHERE
    return _root_of(math.prod(layer.shape) * layer.expected.gradient_output, layer.expected.error)


def _root_of(square: float, error: float) -> _Point:
    return root(square), error / 2


def _relative(points: Sequence[_Point]) -> list[_Point]:
    scale = positive(points[-1][0]) if points else math.nan
    return [(value / scale if value else 0.0, error) for value, error in points]


def _panel(axes: Axes, measured: Sequence[_Point], expected: Sequence[_Point], *, first: bool) -> None:
    line = [positive(value) for value, _ in expected]
    points = [positive(value) for value, _ in measured]
    start = (points[0] if points else math.nan) if first else 1.0
    in_powers_of_two(axes, [*points, *line, start / 4 / FAIL_FACTOR, start * 4 * FAIL_FACTOR], 0.5, 2.0)
    if any(map(math.isfinite, line)):
        low, high = band(line, [error for _, error in expected])
        axes.fill_between(range(len(line)), low, high, color=THEORY, alpha=0.2, linewidth=0)
        axes.plot(line, color=THEORY, marker=".", markersize=3, label="theory, from the network's ends")
    low, high = band(points, [error for _, error in measured])
    reach = zip(low, points, high, strict=True)
    below, above = zip(*((point - a, b - point) for a, point, b in reach), strict=True) if points else ((), ())
    axes.errorbar(range(len(points)), points, (below, above), fmt="o", color=MEASURED, markersize=4, label="measured")
    zero = [i for i, (value, _) in enumerate(measured) if value == 0.0]
    absent = [i for i, (value, _) in enumerate(measured) if not math.isfinite(value)]
    at_edge = axes.get_xaxis_transform()  # a logarithm has no place for them: at the lower edge
    for marker, text, places in (("v", "zero", zero), ("x", "not finite, or not measured", absent)):
        if places:
            axes.plot(places, [0.03] * len(places), marker, color=MEASURED, transform=at_edge, label=text)
    if math.isfinite(start):
        bottom, top = axes.get_ylim()
        text = f"fails: beyond 1/{FAIL_FACTOR:.0f} or {FAIL_FACTOR:.0f} times where it starts"
        for edges in ((bottom, start / FAIL_FACTOR), (start * FAIL_FACTOR, top)):
            axes.axhspan(*edges, color=INK, alpha=0.12, linewidth=0, zorder=0, label=text)
        axes.set_ylim(bottom, top)
    axes.set_xlim(-0.6, max(len(points), 1) - 0.4)
