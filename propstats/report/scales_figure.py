"""Weight schemes side by side, as a figure."""

import math
from typing import TYPE_CHECKING

from matplotlib.figure import Figure

from propstats.report.style import INK, MEASURED, THEORY, given, legend_below, positive, sheet, styled, title

if TYPE_CHECKING:
    from propstats.theory.weights.scales import SchemeScales, WeightScales


def scales_figure(result: "WeightScales") -> Figure:
    """Draw what each scheme leaves of signal and gradient: roots of the factors of all layers, on a logarithmic axis.

    Schemes that leave the same are drawn in one row.
    """
    from propstats.theory.weights.advice import KEPT

    groups: dict[tuple[str, str], list[SchemeScales]] = {}
    for row in result.schemes:
        same = (f"{row.forward_remaining.value:.6g}", f"{row.backward_remaining.value:.6g}")
        groups.setdefault(same, []).append(row)
    rows = sorted(groups.values(), key=lambda group: positive(group[0].backward_remaining.value))
    names = [_names(group) for group in rows]
    heights = [1.0 + 0.5 * name.count("\n") for name in names]
    places = [sum(heights[:i]) + heights[i] / 2 for i in range(len(rows))]
    with styled():
        figure, (axes,) = sheet(height=1.6 + 0.36 * sum(heights))
        axes.set_xscale("log")
        axes.axvspan(1 / KEPT, KEPT, color=INK, alpha=0.08, linewidth=0, label=f"fits: within x{KEPT:g}")
        for place, group in zip(places, rows, strict=True):
            signal, gradient = (_root(e.value) for e in (group[0].forward_remaining, group[0].backward_remaining))
            axes.plot((signal, gradient), (place, place), color=INK, linewidth=0.8, alpha=0.4)
            axes.plot(
                signal,
                place,
                "o",
                color=MEASURED,
                markersize=9,
                markerfacecolor="none",
                markeredgewidth=2,
                label="signal",
            )
            axes.plot(gradient, place, "D", color=THEORY, markersize=4, label="gradient")
        axes.set_yticks(places, names)
        axes.set_ylim(0.0, sum(heights))
        axes.grid(visible=False, axis="y")
        low, high = axes.get_xlim()
        axes.set_xlim(min(low, 0.3 / KEPT), max(high, KEPT / 0.3))
        axes.set_xlabel(f"what {result.depth} layers leave: factor of the root mean square")
        legend_below(figure)
        what = f"{result.activation}{given(result.params)}, fan_in {result.fan_in}, fan_out {result.fan_out}"
        title(figure, f"{what}: {result.depth} layers")
        figure.draw_without_rendering()
    return figure


def _root(square: float) -> float:
    return math.sqrt(square) if positive(square) > 0 else math.nan


def _names(group: "list[SchemeScales]") -> str:
    names = [row.name for row in group]
    lines, line = [], names[0]
    for name in names[1:]:
        if len(line) + len(name) > 34:
            lines.append(line + ",")
            line = name
        else:
            line += f", {name}"
    return "\n".join([*lines, line])
