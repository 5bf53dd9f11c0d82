"""A sweep over depths and scales, as a figure: theory and simulation of the Jacobian."""

from typing import TYPE_CHECKING

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from propstats.report.style import PALETTE, given, legend_below, limit, positive, sheet, styled, title

if TYPE_CHECKING:
    from propstats.estimate import Estimate
    from propstats.simulation.sweep import Cell, Sweep
    from propstats.theory.spectra.summary import SpectrumSummary

_MARKERS = ("o", "s", "^", "D", "v", "P")


def sweep_figure(result: "Sweep") -> Figure:
    """Draw mean square and largest singular value over the scale of the weights, or over depth if there is one scale.

    Lines are theory, points simulated with two standard errors.
    """
    over_depth = len({cell.sigma_w for cell in result.cells}) == 1
    groups: dict[str, list[Cell]] = {}
    for cell in result.cells:
        first = f"sigma_w {cell.sigma_w:g}" if over_depth else f"depth {cell.depth}"
        groups.setdefault(f"{first}, sigma_b {cell.sigma_b:g}", []).append(cell)
    with styled():
        figure, (square, largest) = sheet(2)
        for axes, letter, name, text in (
            (square, "a", "mean_square", "mean square"),
            (largest, "b", "max", "largest"),
        ):
            axes.set_title(f"({letter}) {text} singular value")
            axes.set_xlabel("depth, layers" if over_depth else r"weights: std times sqrt(fan-in), $\sigma_w$")
            limit(axes, [_value(summary, name) for c in result.cells for summary in (c.theory, c.simulation)], 0.4, 2.5)
            for place, (label, cells) in enumerate(groups.items()):
                _curve(axes, label, cells, name, place, over_depth=over_depth)
        square.set_ylabel("of the Jacobian")
        legend_below(figure, columns=4)
        what = f"{result.activation}{given(result.params)}, {result.scheme} weights, width {result.width}"
        title(figure, f"{what}: lines join theory's values, points {result.draws} draws")
        figure.draw_without_rendering()
    return figure


def _curve(axes: Axes, label: str, cells: "list[Cell]", name: str, place: int, *, over_depth: bool) -> None:
    colour, marker = PALETTE[place % len(PALETTE)], _MARKERS[place // len(PALETTE) % len(_MARKERS)]
    x = [float(cell.depth) if over_depth else cell.sigma_w for cell in cells]
    axes.plot(x, [positive(_value(cell.theory, name)) for cell in cells], color=colour, linewidth=1.2)
    drawn = [(at, _estimate(cell.simulation, name)) for at, cell in zip(x, cells, strict=True) if cell.simulation]
    points = [(at, e) for at, e in drawn if e.value > 0]
    below = [min(2 * e.error, 0.999 * e.value) for _, e in points]
    above = [2 * e.error for _, e in points]
    axes.errorbar(
        [at for at, _ in points], [e.value for _, e in points], (below, above), fmt=marker, color=colour, markersize=4,
        label=label,
    )  # fmt: skip


def _estimate(summary: "SpectrumSummary", name: str) -> "Estimate":
    found: Estimate = getattr(summary, name)
    return found


def _value(summary: "SpectrumSummary | None", name: str) -> float:
    return float("nan") if summary is None else _estimate(summary, name).value
