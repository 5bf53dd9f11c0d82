"""A layer without weights, as a figure: what pooling and dropout do to signal and gradient."""

from itertools import product
from typing import TYPE_CHECKING

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from propstats.report.style import (
    BARS,
    INK,
    MEASURED,
    THEORY,
    fitted,
    in_powers_of_two,
    legend_below,
    sheet,
    styled,
    title,
)

if TYPE_CHECKING:
    from propstats.theory.dropout import DropoutMoments
    from propstats.theory.pooling.inputs import PoolInput
    from propstats.theory.pooling.records import PoolMoments

#: Layers over which what dropout does is followed.
_DEPTH = 30
#: A map of more positions along an axis has no room for its numbers.
_NUMBERED = 9
#: Bars of so many positions have room for their names.
_NAMED = 16


def pool_figure(result: "PoolMoments") -> Figure:
    """Draw the signal before and after pooling, and the gradient's spread at each position of the input.

    Where no position differs from the others, the gradient is a number in the title.
    """
    positions = len(result.backward.std_by_position) > 1
    with styled():
        figure, (signal, *gradient) = sheet(1 + positions)
        _signal(signal, result.input, result.forward.mean.value, result.forward.std.value, "pooling")
        if positions:
            _positions(figure, gradient[0], result)
        else:
            text = f"signal: mean and standard deviation; gradient: std {result.backward.std.value:.4g} everywhere"
            signal.set_title(text)
        legend_below(figure)
        window = "x".join(map(str, result.kernel)) if result.kernel else "all"
        step = f", stride {'x'.join(map(str, result.stride))}" if result.stride else ""
        where = f"input {'x'.join(map(str, result.size))}" if result.size else "interior"
        title(figure, f"{result.kind.replace('_', ' ')} pooling, kernel {window}{step}, {where}")
        figure.draw_without_rendering()
    return figure


def dropout_figure(result: "DropoutMoments") -> Figure:
    """Draw the signal before and after dropout, and what a stack of such layers makes of a gradient.

    The masks of different layers are independent, so that the mean squares of their slopes multiply.
    """
    with styled():
        figure, (signal, gradient) = sheet(2)
        _signal(signal, result.input, result.forward.mean.value, result.forward.std.value, "dropout")
        gradient.set_title("(b) gradient behind a stack of such layers")
        depth = range(_DEPTH + 1)
        factor = result.backward.std.value
        mean = result.backward.mean_slope.value
        gradients, means = [factor**n for n in depth], [mean**n for n in depth]
        in_powers_of_two(gradient, [*gradients, *means, 0.5, 2.0], 1.0, 1.4)
        gradient.plot(depth, gradients, color=THEORY, label=f"gradient: x{factor:.4g} a layer")
        gradient.plot(depth, means, color=MEASURED, linestyle="--", label=f"its mean: x{mean:.4g} a layer")
        gradient.set_xlabel("layers of dropout")
        gradient.set_ylabel("root mean square, of 1 at the output")
        legend_below(figure)
        title(figure, f"{result.kind} dropout, kept with probability {result.keep:g}, times {result.scale.value:.5g}")
        figure.draw_without_rendering()
    return figure


def _signal(axes: Axes, before: "PoolInput", mean: float, std: float, what: str) -> None:
    axes.set_title("(a) signal: mean and standard deviation")
    rows = ((f"after {what}", mean, std, MEASURED), ("before", before.mean, before.std, INK))
    for place, (_, centre, spread, colour) in enumerate(rows):
        axes.errorbar(centre, place, xerr=spread, fmt="o", color=colour, markersize=6, capsize=5, linewidth=1.8)
        text = f"mean {centre:.4g}, std {spread:.4g}"
        axes.annotate(text, (centre, place), (0, 9), textcoords="offset points", ha="center")
    law = "max(0, x) of the Gaussian drawn" if before.rectified else "a Gaussian"
    axes.set_xlabel(f"value; the input is {law}")
    axes.set_yticks(range(len(rows)), [row[0] for row in rows])
    axes.set_ylim(-0.6, 1.6)
    axes.margins(x=0.15)
    axes.grid(visible=False, axis="y")


def _positions(figure: Figure, axes: Axes, result: "PoolMoments") -> None:
    places = result.backward.std_by_position
    rms = result.backward.std.value
    axes.set_title(f"(b) gradient: std by position, rms {rms:.4g}")
    values = {place.position: place.std.value for place in places}
    axes_of = [sorted({position[k] for position in values}) for k in range(len(places[0].position))] if places else []
    if len(axes_of) == 2 and all(position in values for position in product(*axes_of)):
        table = [[values[i, j] for j in axes_of[1]] for i in axes_of[0]]
        image = axes.imshow(table, cmap="Blues", vmin=0.0, vmax=1.15 * max(values.values()) or 1.0, aspect="equal")
        figure.colorbar(image, ax=axes, shrink=0.85)
        axes.grid(visible=False)
        axes.set_xticks(range(len(axes_of[1])), list(map(str, axes_of[1])))
        axes.set_yticks(range(len(axes_of[0])), list(map(str, axes_of[0])))
        axes.set_xlabel("column, within a stride or the input")
        axes.set_ylabel("row")
        if max(map(len, axes_of)) <= _NUMBERED:
            middle = 0.6 * max(values.values())
            for i, row in enumerate(table):
                for j, value in enumerate(row):
                    axes.text(j, i, f"{value:.3g}", ha="center", va="center", color="white" if value > middle else INK)
        return
    axes.bar(range(len(places)), [place.std.value for place in places], color=BARS, width=0.7)
    axes.axhline(rms, color=THEORY, linestyle="--", label=f"root mean square {rms:.4g}")
    if len(places) <= _NAMED:
        names = [fitted("x".join(map(str, place.position)), 12) for place in places]
        axes.set_xticks(range(len(places)), names)
    axes.set_xlabel("position, within a stride or the input")
    axes.set_ylabel("std of the gradient, of 1 at the outputs")
    axes.set_ylim(bottom=0.0)
