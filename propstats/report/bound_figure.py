"""Proposition 1 for every weight of a network, as a figure."""

from typing import TYPE_CHECKING

from matplotlib.figure import Figure

from propstats.report.depth_figure import ticks
from propstats.report.style import BARS, INK, MEASURED, THEORY, legend_below, sheet, styled, title

if TYPE_CHECKING:
    from propstats.auditing.bound import BoundReport


def bound_figure(result: "BoundReport") -> Figure:
    """Draw the covariance off the diagonal beside its bound, and the coherence of each weight beside the least.

    Both sides of the proposition are relative to the diagonal of the covariance.
    """
    canonical = [weight.canonical for weight in result.weights]
    places = range(len(canonical))
    with styled():
        figure, (sides, coherence) = sheet(2)
        sides.set_title("(a) covariance off the diagonal, over the diagonal")
        sides.set_ylabel("Frobenius norm, relative to the diagonal's")
        scale = [c.diagonal.value or 1.0 for c in canonical]
        off = [c.off_diagonal.value / one for c, one in zip(canonical, scale, strict=True)]
        above = [c.canonical_error_bound.value / one for c, one in zip(canonical, scale, strict=True)]
        sides.bar(places, off, color=BARS, width=0.7, label="exact, for uncorrelated inputs")
        sides.plot(places, above, color=THEORY, marker="_", markersize=9, markeredgewidth=2, linestyle="none",
                   label="Proposition 1's bound")  # fmt: skip
        if result.first is not None and canonical:
            real = result.first.off_diagonal.value / (result.first.diagonal.value or 1.0)
            where = next((i for i, w in enumerate(result.weights) if w.name == result.first.layer), 0)
            sides.plot([where], [real], "o", color=MEASURED, markersize=6, label="measured on the data")
        coherence.set_title("(b) coherence: the two most similar units")
        coherence.set_ylabel("largest |cos| of two units' weights")
        coherence.plot(places, [c.coherence.value for c in canonical], "o", color=MEASURED, markersize=4,
                       label="coherence")  # fmt: skip
        coherence.plot(places, [c.least_coherence for c in canonical], "_", color=INK, markersize=8,
                       label="least for this shape")  # fmt: skip
        coherence.set_ylim(-0.03, 1.05)
        sides.set_ylim(bottom=0.0)
        for axes in (sides, coherence):
            axes.set_xlabel("weights, as the file has them")
            ticks(axes, [weight.name for weight in result.weights])
            axes.set_xlim(-0.6, max(len(canonical), 1) - 0.4)
        legend_below(figure, columns=5)
        title(figure, result.model.path or result.model.format)
        figure.draw_without_rendering()
    return figure
