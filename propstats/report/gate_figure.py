"""A gated unit as a figure: its output over both inputs."""

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Circle
from matplotlib.ticker import MaxNLocator

from propstats.activations.expression import evaluate
from propstats.activations.namespaces import namespace_for
from propstats.activations.syntax import parse
from propstats.report.style import INK, fitted, legend_below, sheet, styled

if TYPE_CHECKING:
    from propstats.theory.gate import GateMoments

_REACH = 3.0
_POINTS = 121


def gate_figure(result: "GateMoments") -> Figure:
    """Draw the output of a gated unit in the plane of its two inputs, with circles that hold 39 % and 86 % of them."""
    mean, std = result.input.mean, result.input.std or 1.0
    line = np.linspace(mean - _REACH * std, mean + _REACH * std, _POINTS)
    a, b = np.meshgrid(line, line)
    y = evaluate(parse(result.formula, {"a", "b"}), {"a": a, "b": b}, namespace_for(a))
    with styled():
        figure, (axes,) = sheet(height=5.0)
        axes.grid(visible=False)
        top = float(np.abs(y).max()) or 1.0
        levels = MaxNLocator(nbins=20, symmetric=True).tick_values(-top, top)
        filled = axes.contourf(a, b, y, levels=levels, cmap="PuOr")  # its two ends differ to all eyes
        bar = figure.colorbar(filled, ax=axes)
        bar.set_label("output y")
        for radius, share, dashes in ((1.0, "39%", "-"), (2.0, "86%", "--")):
            label = f"{share} of the inputs"
            axes.add_patch(Circle((mean, mean), radius * std, fill=False, color=INK, linestyle=dashes, label=label))
        axes.set_aspect("equal")
        axes.set_xlabel("input a")
        axes.set_ylabel("input b, of the gate")
        legend_below(figure)
        law = f"a, b ~ N({result.input.mean:g}, {result.input.std:g}^2)"
        second = result.forward.second_moment.value
        text = f"{result.activation}: y = {result.formula}, {law}; E[y^2] = {second:.5g}"
        axes.set_title(fitted(text, 80), parse_math=False)
        figure.draw_without_rendering()
    return figure
