"""A Hermite spectrum as a figure."""

from typing import TYPE_CHECKING

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from propstats.report.style import BARS, INK, MEASURED, THEORY, given, legend_below, sheet, styled, title

if TYPE_CHECKING:
    from propstats.theory.hermite import HermiteSpectrum


def hermite_figure(result: "HermiteSpectrum") -> Figure:
    """Draw the coefficient of each degree, and the share of the variance up to each."""
    terms = result.terms
    degrees = [term.degree for term in terms]
    with styled():
        figure, (coefficients, shares) = sheet(2)
        coefficients.set_title("(a) coefficients, of orthonormal polynomials")
        coefficients.set_ylabel("a_n")
        coefficients.axhline(0.0, color=INK, linewidth=0.8)
        coefficients.bar(degrees, [term.coefficient.value for term in terms], color=BARS, width=0.7)
        shares.set_title("(b) the variance, by degree")
        shares.set_ylabel("share of the variance")
        own = [term.share or 0.0 for term in terms]
        shares.bar(degrees, own, color=BARS, width=0.7, label="of this degree")
        up_to = [sum(own[: n + 1]) for n in range(len(own))]
        shares.plot(degrees, up_to, color=MEASURED, marker="o", markersize=3.5, label="up to this degree")
        mean = result.mean_degree.value
        if mean <= degrees[-1] + 0.5:
            label = f"mean degree {mean:.4g}: growth of a gradient's mean square"
            shares.axvline(mean, color=THEORY, linestyle="--", label=label)
        shares.set_ylim(0.0, 1.05)
        shares.yaxis.set_major_formatter(PercentFormatter(1.0))
        for axes in (coefficients, shares):
            axes.set_xlabel("degree n")
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        legend_below(figure)
        law = f"x ~ N({result.input.mean:g}, {result.input.std:g}^2)"
        title(figure, f"{result.activation}{given(result.params)}, {law}: {result.covered:.2%} of the variance shown")
        figure.draw_without_rendering()
    return figure
