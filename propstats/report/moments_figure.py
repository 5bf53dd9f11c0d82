"""The moments of a unit, as a figure: the function under its Gaussian, and what is integrated."""

import math
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from propstats.activations import Activation
from propstats.report.style import BARS, INK, MEASURED, PALETTE, THEORY, given, legend_below, sheet, styled, title

if TYPE_CHECKING:
    from propstats.theory.unit import UnitMoments

_Array: TypeAlias = NDArray[np.float64]

#: Standard deviations to either side; beyond lies 1e-4 of the Gaussian.
_REACH = 4.0
_POINTS = 801


def moments_figure(result: "UnitMoments") -> Figure:
    """Draw an activation and its slope over the Gaussian that weighs them, and the integrands of their moments.

    The areas of the second panel are the moments. Kinks are dotted; where std is 0 there is no weight to draw.
    """
    unit = Activation(result.activation, result.formula, result.params)
    mean, std = result.input.mean, result.input.std
    x = _grid(unit, mean, std or 1.0)
    with np.errstate(all="ignore"):
        value, slope = (np.asarray(f(x), dtype=float) * np.ones_like(x) for f in (unit, unit.slope))
    weight = np.exp(-0.5 * ((x - mean) / std) ** 2) / (std * math.sqrt(2 * math.pi)) if std > 0 else np.zeros_like(x)
    with styled():
        figure, (function, integrands) = sheet(2)
        function.set_title("(a) the activation, its slope, and the weight")
        _function(function, unit, x, value, slope, weight)
        integrands.set_title("(b) what is integrated: areas are moments")
        integrands.set_xlabel("input x")
        integrands.set_ylabel("integrand")
        areas = (("E[f]", result.forward.mean.value, value * weight),
                 ("E[f^2]", result.forward.second_moment.value, value**2 * weight),
                 ("E[f'^2]", result.backward.slope_second_moment.value, slope**2 * weight))  # fmt: skip
        for (name, area, integrand), colour in zip(areas, (MEASURED, PALETTE[2], THEORY), strict=True):
            integrands.plot(x, integrand, color=colour, linewidth=1.2, label=f"{name} = {area:.5g}")
        _focus(integrands, np.concatenate([integrand for _, _, integrand in areas]))
        for axes in (function, integrands):
            axes.set_xlim(float(x[0]), float(x[-1]))
        legend_below(figure, columns=7)
        title(figure, f"{result.activation}{given(result.params)}, x ~ N({mean:g}, {std:g}^2)")
        figure.draw_without_rendering()
    return figure


def _grid(unit: Activation, mean: float, std: float) -> _Array:
    """Return inputs, with NaN at each kink, so that no line joins what is apart."""
    low, high = mean - _REACH * std, mean + _REACH * std
    kinks = np.array([kink for kink in unit.kinks if low < kink < high])
    sides = [np.nextafter(kinks, -np.inf), np.nextafter(kinks, np.inf)]
    x = np.sort(np.concatenate([np.linspace(low, high, _POINTS), *sides]))
    x = x[~np.isin(x, kinks)]
    return np.insert(x, np.searchsorted(x, kinks), np.nan)


def _function(axes: Axes, unit: Activation, x: _Array, value: _Array, slope: _Array, weight: _Array) -> None:
    axes.set_xlabel("input x")
    axes.set_ylabel("f(x), f'(x)")
    axes.plot(x, value, color=MEASURED, linewidth=1.8, label="f", zorder=3)
    axes.plot(x, slope, color=THEORY, linewidth=1.4, linestyle="--", label="f'", zorder=3)
    _focus(axes, np.concatenate([value, slope]))
    low, high = axes.get_ylim()
    top = float(np.nanmax(weight))
    if top > 0:  # the weight has a scale of its own, from the lower edge up
        shown = low + 0.9 * (high - low) * weight / top
        axes.fill_between(x, low, shown, color=BARS, alpha=0.25, linewidth=0, label="weight (not to scale)", zorder=1)
    inside = [kink for kink in unit.kinks if x[0] < kink < x[-1]]
    for kink in inside:
        axes.axvline(kink, color=INK, linestyle=":", linewidth=1.0, label="kinks", zorder=2)


def _focus(axes: Axes, values: _Array) -> None:
    """Show what there is, with a margin; what a pole sends to infinity runs out of the picture."""
    finite = values[np.isfinite(values)]
    low, high = (float(number) for number in np.percentile(finite, (1, 99))) if finite.size else (0.0, 1.0)
    reach = high - low
    low, high = max(float(finite.min()), low - reach), min(float(finite.max()), high + reach)
    margin = 0.08 * (high - low) or 0.5
    axes.set_ylim(low - margin, high + margin)
