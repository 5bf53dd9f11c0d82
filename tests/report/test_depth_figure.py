import math
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import matplotlib as mpl
import pytest
import torch
from matplotlib.figure import Figure
from torch import nn

from propstats.auditing.audit import audit
from propstats.auditing.judging.limits import FAIL_FACTOR
from propstats.auditing.records import AuditReport, Layer
from propstats.errors import DomainError, OutputError
from propstats.estimate import Estimate
from propstats.report.depth_figure import draw_depth
from propstats.report.overview_figure import overview_figure
from propstats.report.style import fitted, render, save, styled


def _network(names: Sequence[str] = ("a", "b", "c"), weight: float = 0.1) -> AuditReport:
    generator = torch.Generator().manual_seed(0)
    layers: dict[str, nn.Module] = {name: nn.Linear(4, 4) for name in names}
    for layer in layers.values():
        for parameter in layer.parameters():
            nn.init.normal_(parameter, std=0.5, generator=generator)
    first = layers[names[0]]
    assert isinstance(first, nn.Linear)
    with torch.no_grad():
        first.weight[0, 0] = weight
    network = nn.Sequential()
    for name, layer in layers.items():
        network.add_module(name, layer)
    return audit(network, torch.randn(50, 4, generator=generator))


def depth_figure(report: AuditReport) -> Figure:
    with styled():
        figure = Figure(figsize=(9.0, 3.8))
        draw_depth(figure, report)
        figure.draw_without_rendering()
    return figure


def _without_expectations(report: AuditReport, var: float) -> AuditReport:
    def change(layer: Layer) -> Layer:
        forward = replace(layer.forward, var=replace(layer.forward.var, value=var))
        return replace(layer, forward=forward, expected=None, one_step=None)

    return replace(report, layers=[change(layer) for layer in report.layers])


def _points(figure: Figure, panel: int) -> list[float]:
    bars = figure.axes[panel].containers[0]
    line = bars.get_children()[0]
    return [float(y) for y in line.get_ydata()]  # type: ignore[attr-defined]


def test_depth_shows_what_was_measured() -> None:
    report = _network()
    figure = depth_figure(report)
    assert _points(figure, 0) == pytest.approx([math.sqrt(layer.forward.var.value) for layer in report.layers])
    outputs = [layer.backward.output for layer in report.layers]
    squares = [4 * output.value for output in outputs if isinstance(output, Estimate)]
    assert _points(figure, 1) == pytest.approx([math.sqrt(square / squares[-1]) for square in squares])
    for panel, start in ((0, _points(figure, 0)[0]), (1, 1.0)):
        axes = figure.axes[panel]
        assert [label.get_text() for label in axes.get_xticklabels()] == ["a", "b", "c"]
        low, high = axes.get_ylim()
        assert low < start / FAIL_FACTOR < start * FAIL_FACTOR < high


@pytest.mark.parametrize("value", [math.nan, 0.0, math.inf])
def test_depth_without_anything_to_draw(value: float) -> None:
    report = _without_expectations(_network(), value)
    render(depth_figure(report), "svg")
    render(depth_figure(replace(report, layers=[])), "svg")


def test_depth_of_a_network_with_nan_weights() -> None:
    render(depth_figure(_network(weight=math.nan)), "png")


def test_depth_with_an_unbounded_error() -> None:
    report = _network()
    layers = [
        replace(layer, expected=replace(layer.expected, error=math.inf)) for layer in report.layers if layer.expected
    ]
    assert len(layers) == 3
    render(depth_figure(replace(report, layers=layers)), "png")


def test_names_of_strangers() -> None:
    names = ["$x_{$", "\x1b[31m", "<b>&amp;\"'", "\u6f22\U0001f600", "x" * 200, "\\frac"]
    figure = depth_figure(_network(names))
    shown = [label.get_text() for label in figure.axes[0].get_xticklabels()]
    assert shown[0] == "$x_{$"
    assert all(name.isascii() and name.isprintable() and len(name) <= 18 for name in shown)
    svg = render(figure, "svg").decode("utf-8")
    assert "\x1b" not in svg
    assert "<b>" not in svg
    assert fitted("layer4.1.conv2", 8) == "...conv2"


def test_many_layers_leave_room_for_their_names() -> None:
    figure = depth_figure(_network([str(i) for i in range(40)]))
    assert len(figure.axes[0].get_xticklabels()) <= 14


@pytest.mark.slow
@pytest.mark.parametrize(("name", "head"), [("a.png", b"\x89PNG"), ("b.SVG", b"<?xml"), ("c.pdf", b"%PDF")])
def test_saves_the_same_file_twice(tmp_path: Path, name: str, head: bytes) -> None:
    report = _network()
    save(depth_figure(report), tmp_path / name)
    first = (tmp_path / name).read_bytes()
    save(depth_figure(report), str(tmp_path / name))
    assert first.startswith(head)
    assert (tmp_path / name).read_bytes() == first
    assert b"dc:date" not in first
    assert b"CreationDate" not in first


def test_other_formats_are_refused(tmp_path: Path) -> None:
    for name in ("a.jpg", "a", ".png"):
        with pytest.raises(DomainError, match=r"\.png, \.svg or \.pdf"):
            save(Figure(), tmp_path / name)
    with pytest.raises(OutputError, match="does not exist"):
        save(Figure(), tmp_path / "absent" / "a.png")
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_nothing_global_changes_and_nothing_global_leaks_in() -> None:
    report = _network()
    before = dict(mpl.rcParams)
    plain = render(overview_figure(report), "svg")
    assert dict(mpl.rcParams) == before
    with mpl.rc_context({"axes.facecolor": "black", "font.size": 30, "lines.linewidth": 9}):
        assert render(overview_figure(report), "svg") == plain


@pytest.mark.slow
def test_pyplot_stays_unloaded() -> None:
    modules = "propstats.report.depth_figure, propstats.report.spectrum_figure"
    code = f"import sys, {modules}; sys.exit('matplotlib.pyplot' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_factors_are_powers_of_two() -> None:
    for axes in depth_figure(_network()).axes:
        ticks = [tick for tick in axes.get_yticks() if axes.get_ylim()[0] <= tick <= axes.get_ylim()[1]]
        assert len(ticks) >= 3
        assert all(math.log2(tick).is_integer() for tick in ticks)
        assert axes.get_ylabel()
