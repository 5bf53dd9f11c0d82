"""What two activations leave of a correlation, as a figure: the maps over all correlations."""

from typing import TYPE_CHECKING

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from propstats.errors import DomainError
from propstats.report.style import INK, MEASURED, PALETTE, THEORY, given, legend_below, sheet, styled, title

if TYPE_CHECKING:
    from propstats.theory.dual import DualMoments, DualUnit


def dual_figure(result: "DualMoments") -> Figure:
    """Draw cosine and correlation of the outputs over the correlation of the inputs, and the dual with its slope.

    Raises:
        DomainError: If there is one correlation only.
    """
    points = sorted(result.points, key=lambda point: point.input_correlation)
    if len(points) < 2:
        raise DomainError("one correlation is a point, and no map", "add --points 41, or more correlations")
    rho = [point.input_correlation for point in points]
    with styled():
        figure, (map_, dual) = sheet(2)
        map_.set_title("(a) what is left of a correlation")
        map_.set_ylabel("of the outputs")
        map_.plot((-1, 1), (-1, 1), color=INK, linestyle=":", linewidth=1.0, label="unchanged")
        dual.set_title("(b) the dual activation and its slope")
        dual.set_ylabel("E[y z], and its derivative")
        curves = (
            (map_, "cosine: the c-map", MEASURED, "-", [point.cosine.value for point in points]),
            (map_, "correlation", THEORY, "--", [point.correlation.value for point in points]),
            (dual, "dual: E[y z]", PALETTE[2], "-", [point.dual.value for point in points]),
            (dual, "slope", PALETTE[3], "--", [point.slope.value for point in points]),
        )
        for axes, label, colour, line, values in curves:
            marker = "o" if len(points) <= 21 else None
            axes.plot(rho, values, color=colour, linestyle=line, marker=marker, markersize=3.5, label=label)
        for axes in (map_, dual):
            _axis(axes, rho)
        legend_below(figure, columns=5)
        first, second = _unit(result.first), _unit(result.second)
        title(figure, f"y, z: {first}" if first == second else f"y: {first}; z: {second}")
        figure.draw_without_rendering()
    return figure


def _axis(axes: Axes, rho: list[float]) -> None:
    axes.set_xlabel("correlation of the inputs")
    margin = 0.03 * (rho[-1] - rho[0])
    axes.set_xlim(rho[0] - margin, rho[-1] + margin)


def _unit(unit: "DualUnit") -> str:
    return f"{unit.activation}{given(unit.params)} of N({unit.input.mean:g}, {unit.input.std:g}^2)"
