"""The phase diagram as a figure."""

from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray

from propstats.report.style import INK, MEASURED, THEORY, fitted, given, styled

if TYPE_CHECKING:
    from propstats.theory.mean_field.phase import PhaseDiagram

_Array: TypeAlias = NDArray[np.float64]

#: Depths, in layers, at which the shading changes.
_DEPTHS = (1, 2, 5, 10, 20, 50, 100)
#: The rate that stands for no depth at all.
_FASTEST = 1e6
_PAPER, _NOTHING = "#ffffff", "#d9d9d9"
#: A region that is smaller has no room for its name.
_LARGE = 0.06


def phase_figure(result: "PhaseDiagram") -> Figure:
    """Draw the plane of weights and biases: two colours for the phases, darker the deeper signals travel.

    The black line is critical. Where no fixed point is reached the plane is grey, and where there are several it is
    dotted.
    """
    sigma_w, sigma_b = np.array([0.0, *result.sigma_w]), np.array(result.sigma_b)
    q, chi_1, depth = (_from_zero(table) for table in (result.q_star, result.chi_1, result.xi_c))
    several = _from_zero(result.count) > 1
    reached = np.isfinite(q)
    with styled(), np.errstate(divide="ignore", invalid="ignore"):
        figure = Figure(figsize=(7.2, 4.6))
        axes = figure.add_subplot(
            facecolor=_NOTHING,
            xlabel=r"weights: standard deviation times sqrt(fan-in), $\sigma_w$",
            ylabel=r"biases: standard deviation, $\sigma_b$",
        )
        axes.grid(visible=False)
        # The inverse of the depth scale runs smoothly through 0 at the critical line.
        rate = np.where(reached, np.sign(chi_1 - 1.0) * np.minimum(1.0 / depth, 0.9 * _FASTEST), np.nan)
        _shade(figure, axes, sigma_w, sigma_b, rate)
        if several.any():
            axes.contourf(sigma_w, sigma_b, several, levels=[0.5, 1.5], colors="none", hatches=["..."])
            sign = Patch(facecolor="none", edgecolor=INK, hatch="...", label="several fixed points")
            figure.legend(handles=[sign], loc="outside lower center", frameon=False)
        for branch in result.line:
            _draw_branch(axes, [point.sigma_w for point in branch], [point.sigma_b for point in branch])
        axes.set_xlim(0.0, float(sigma_w[-1]))
        axes.set_ylim(0.0, float(sigma_b[-1]))
        for where, text in (
            (reached & (chi_1 < 1.0), "ordered\ngradients vanish"),
            (reached & (chi_1 > 1.0), "chaotic\ngradients explode"),
            (~reached, "no fixed point\nsignals explode"),
        ):
            _name(axes, sigma_w, sigma_b, where, text)
        mean = f", biases of mean {result.beta:g}" if result.beta else ""
        axes.set_title(
            f"{fitted(result.activation + given(result.params), 50)}: how deep signals travel{mean}", parse_math=False
        )
        figure.draw_without_rendering()
    return figure


def _from_zero(table: "tuple[tuple[float, ...], ...]") -> _Array:
    """Return a table with its first column once more, for sigma_w = 0."""
    values = np.array(table, dtype=float)
    return np.concatenate([values[:, :1], values], axis=1)


def _shade(figure: Figure, axes: Axes, x: _Array, y: _Array, rate: _Array) -> None:
    """Fill the plane by signed rates, draw their contours, and a bar that says what the shades mean."""
    edges = [1.0 / depth for depth in _DEPTHS]
    levels = [-_FASTEST, *(-edge for edge in edges), 0.0, *reversed(edges), _FASTEST]
    shares = np.linspace(0.88, 0.15, len(_DEPTHS) + 1)
    colours = [_lighter(MEASURED, share) for share in shares]
    colours += [_lighter(THEORY, share) for share in reversed(shares)]
    filled = axes.contourf(x, y, rate, levels=levels, colors=colours)
    inner = levels[1:-1]
    axes.contour(x, y, rate, levels=[level for level in inner if level != 0.0], colors=[_PAPER], linewidths=0.6,
                 linestyles="solid")  # fmt: skip
    bar = figure.colorbar(filled, ax=axes, spacing="uniform", pad=0.02, fraction=0.045, aspect=26)
    bar.set_ticks(inner, labels=["critical" if level == 0.0 else f"{1 / abs(level):g}" for level in inner])
    bar.set_label(r"correlations settle in so many layers, $\xi_c$")


def _lighter(colour: str, share: float) -> tuple[float, float, float]:
    red, green, blue = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    return red + (1 - red) * share, green + (1 - green) * share, blue + (1 - blue) * share


def _draw_branch(axes: Axes, x: list[float], y: list[float]) -> None:
    if len(x) > 1:
        axes.plot(x, y, color=INK, linewidth=2.0, zorder=4)
        return
    axes.plot(x, y, "o", color=INK, markersize=7, clip_on=False, zorder=5)
    text = f"critical: one point, ({x[0]:.4g}, {y[0]:g})"
    axes.annotate(text, (x[0], y[0]), (6, 8), textcoords="offset points", path_effects=_halo(), zorder=6)


def _name(axes: Axes, x: _Array, y: _Array, where: NDArray[np.bool_], text: str) -> None:
    """Write the name of a region where it is wide, if it is large enough."""
    if where.mean() < _LARGE:
        return
    margin = y.size // 6
    row = margin + int(np.argmax(where[margin : y.size - margin].sum(axis=1)))
    middle = float(x[np.flatnonzero(where[row])].mean())
    axes.text(middle, float(y[row]), text, ha="center", va="center", path_effects=_halo(), zorder=6)


def _halo() -> list[withStroke]:
    return [withStroke(linewidth=3, foreground=_PAPER)]
