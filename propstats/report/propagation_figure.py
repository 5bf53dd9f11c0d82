"""What every layer of a network should carry, as a figure over depth."""

import math
from typing import TYPE_CHECKING

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from propstats.report.depth_figure import ticks
from propstats.report.style import (
    INK,
    MEASURED,
    THEORY,
    band,
    in_powers_of_two,
    legend_below,
    positive,
    sheet,
    styled,
    title,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from propstats.rules.propagation import Growth, Propagation


def propagation_figure(result: "Propagation") -> Figure:
    """Draw the signal's spread over the layers, and the gradient's norm, in powers of two of where each starts.

    Bands hold 95 % of random networks of this width; beyond the dashed lines signal or gradient does not survive.
    """
    from propstats.rules.propagation import FAIL_FACTOR

    layers = result.layers
    signal = [math.sqrt(layer.var) if layer.var > 0 else math.nan for layer in layers]
    gradient = [layer.backward_norm for layer in layers]
    with styled():
        figure, (forward, backward) = sheet(2)
        forward.set_title(f"(a) signal: {_growth(result.forward)}")
        forward.set_ylabel("std over the data, relative to the input")
        _panel(forward, _relative(signal, 0), [layer.error for layer in layers], MEASURED, "signal")
        backward.set_title(f"(b) gradient: {_growth(result.backward)}")
        backward.set_ylabel("norm, relative to the output")
        _panel(backward, _relative(gradient, -1), [layer.backward_error for layer in layers], THEORY, "gradient")
        for axes in (forward, backward):
            low, high = axes.get_ylim()
            for factor in (FAIL_FACTOR, 1.0 / FAIL_FACTOR):
                if low < factor < high:
                    label = f"fails: beyond x{FAIL_FACTOR:g} or 1/{FAIL_FACTOR:g}"
                    axes.axhline(factor, color=INK, linestyle="--", linewidth=1.0, alpha=0.6, label=label)
            axes.set_xlabel("layers, from input to output")
            ticks(axes, [layer.name for layer in layers])
            axes.set_xlim(-0.6, len(layers) - 0.4)
        legend_below(figure, columns=5)
        survives = "signal survives" if result.passed else "signal does not survive"
        title(figure, f"{result.network}, correlation of two inputs {result.input.correlation:g}: {survives}")
        figure.draw_without_rendering()
    return figure


def _growth(growth: "Growth") -> str:
    rate = f"x{growth.rate:.3g} a layer of weights, " if growth.rate is not None else ""
    return f"{rate}x{growth.total:.2g} in all"


def _relative(values: "Sequence[float]", end: int) -> list[float]:
    """Return values relative to the one at an end, or to the next to it that is not zero."""
    known = [value for value in values if positive(value) > 0]
    return [positive(value) / known[end] for value in values] if known else [math.nan] * len(values)


def _panel(axes: Axes, values: list[float], errors: list[float], colour: str, label: str) -> None:
    low, high = band(values, [error / 2 for error in errors])  # the errors are of squares
    in_powers_of_two(axes, [0.4 / 0.7, 2.5 / 1.4, *low, *high], 0.7, 1.4)
    axes.fill_between(
        range(len(values)), low, high, color=colour, alpha=0.2, linewidth=0, label=f"{label}: 95% of nets"
    )
    axes.plot(range(len(values)), values, color=colour, marker="o", markersize=3.5, label=label)
