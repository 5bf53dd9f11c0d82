"""The singular values of a Jacobian, as figures."""

import math
from typing import TYPE_CHECKING

from matplotlib.figure import Figure

from propstats.report.style import BARS, INK, MEASURED, THEORY, fitted, limit, positive, root, styled

if TYPE_CHECKING:
    from propstats.auditing.spectrum import MeasuredSpectrum
    from propstats.simulation.jacobian import JacobianSpectrum


def spectrum_figure(result: "JacobianSpectrum") -> Figure:
    """Draw the non-zero singular values of a Jacobian: bars as simulated, the density of theory over them.

    The density is logarithmic: half of the values crowd near zero, and what explodes is the tail.
    """
    theory, simulation, bins = result.theory, result.simulation, result.histogram
    with styled():
        figure = Figure(figsize=(6.4, 4.6))
        axes = figure.add_subplot(xlabel="singular value", ylabel="density (adds up to the non-zero share)")
        limit(axes, [*bins.simulation, *bins.theory], 0.5, 2.0)
        draws = f"simulation, {result.draws} draw{'s' if result.draws > 1 else ''}"
        axes.stairs(bins.simulation, bins.edges, fill=True, color=BARS, label=draws)
        theory_of = [positive(value) for value in bins.theory]
        axes.stairs(theory_of, bins.edges, baseline=None, color=THEORY, linewidth=1.5, label="theory")
        largest, rms = theory.max, root(theory.mean_square.value)
        low, high = max(largest.value - largest.error, 0.0), largest.value + largest.error
        axes.axvspan(low, high, color=THEORY, alpha=0.15, linewidth=0)
        text = f"largest: theory {_pair(largest.value, simulation.max.value)}"
        axes.axvline(largest.value, color=THEORY, linestyle="--", label=text)
        text = f"mean square (at its root): theory {_pair(theory.mean_square.value, simulation.mean_square.value)}"
        axes.axvline(rms, color=INK, linestyle=":", label=text)
        top = max(bins.edges[-1], 1.02 * largest.value)
        axes.set_xlim(0.0, max(top, min(1.02 * high, 1.5 * top)))
        figure.legend(loc="outside lower center", ncols=2, frameon=False)
        what = f"{fitted(result.activation, 30)}, {result.scheme}, gamma {result.gamma:.5g}"
        size = f"depth {result.depth}, width {result.width or fitted('-'.join(map(str, result.widths)), 24)}"
        shares = theory.zero_fraction.value, simulation.zero_fraction.value
        zeros = f"zeros: theory {shares[0]:.1%}, simulation {shares[1]:.1%}"
        axes.set_title(f"{what}, {size}\n{zeros}", parse_math=False)
        figure.draw_without_rendering()  # ticks take their style when they are first needed
    return figure


def measured_spectrum_figure(result: "MeasuredSpectrum") -> Figure:
    """Draw the density of a real network's singular values: its mean over inputs, with standard errors."""
    bins = result.histogram
    with styled():
        figure = Figure(figsize=(6.4, 4.6))
        axes = figure.add_subplot(xlabel="singular value", ylabel="density")
        limit(axes, list(bins.density), 0.5, 2.0)
        axes.stairs(bins.density, bins.edges, fill=True, color=BARS, label=f"measured, {result.inputs} inputs")
        centres = [(a + b) / 2 for a, b in zip(bins.edges, bins.edges[1:], strict=False)]
        shown = [i for i, value in enumerate(bins.density) if value > 0 and math.isfinite(bins.error[i])]
        axes.errorbar(
            [centres[i] for i in shown],
            [bins.density[i] for i in shown],
            [min(bins.error[i], 0.999 * bins.density[i]) for i in shown],
            fmt="none",
            color=MEASURED,
            label="one standard error",
        )
        axes.axvline(
            result.max.value, color=INK, linestyle="--", label=f"largest, mean over inputs: {result.max.value:.3g}"
        )
        rms = root(result.mean_square.value)
        axes.axvline(rms, color=INK, linestyle=":", label=f"mean square: {result.mean_square.value:.3g} (at its root)")
        axes.set_xlim(0.0, bins.edges[-1])
        figure.legend(loc="outside lower center", ncols=2, frameon=False)
        what = fitted(result.model.path or result.model.format, 40)
        axes.set_title(f"{what}\n{result.rows:,} outputs by {result.columns:,} inputs", parse_math=False)
        figure.draw_without_rendering()
    return figure


def _pair(theory: float, simulation: float) -> str:
    return f"{theory:.3g}, simulation {simulation:.3g}"
