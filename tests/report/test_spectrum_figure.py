import math
from dataclasses import replace

import pytest
import torch
from torch import nn

from propstats.auditing.spectrum import spectrum
from propstats.report.spectrum_figure import measured_spectrum_figure, spectrum_figure
from propstats.report.style import render
from propstats.simulation.jacobian import Histogram, jacobian


def test_spectrum_shows_both_routes() -> None:
    result = jacobian(depth=3, width=16, draws=5)
    figure = spectrum_figure(result)
    axes = figure.axes[0]
    title = axes.get_title(loc="left")
    for word in ("relu", "normprop", "depth 3", "width 16", "gamma", "zeros"):
        assert word in title
    assert axes.get_xlim()[1] >= result.histogram.edges[-1]
    texts = [text.get_text() for text in figure.legends[0].get_texts()]
    assert texts[0] == "simulation, 5 draws"
    assert any(text.startswith("largest: theory") for text in texts)
    assert any(text.startswith("mean square (at its root): theory") for text in texts)


def test_spectrum_without_a_tail() -> None:
    empty = Histogram((0.0, 1.0, 2.0), (0.0, 0.0), (0.0, math.nan))
    result = replace(jacobian(depth=2, width=4, draws=1), histogram=empty, activation="$\x1b" * 40)
    render(spectrum_figure(result), "svg")


def test_measured_spectrum_shows_density_and_largest() -> None:
    generator = torch.Generator().manual_seed(0)
    linear = nn.Linear(9, 9)
    with torch.no_grad():
        linear.weight.normal_(generator=generator)
    found = spectrum(linear, torch.randn(6, 9, generator=generator), inputs=3)
    figure = measured_spectrum_figure(found)
    (axes,) = figure.axes
    assert [patch.get_data().values.tolist() for patch in axes.patches] == [pytest.approx(found.histogram.density)]  # type: ignore[attr-defined]
    texts = [text.get_text() for text in figure.legends[0].get_texts()]
    assert f"largest, mean over inputs: {found.max.value:.3g}" in texts
    assert f"mean square: {found.mean_square.value:.3g} (at its root)" in texts
