"""Every result has the figure that shows it, and a figure shows what its result says."""

import math
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from torch import nn

import propstats
from propstats.errors import DomainError
from propstats.report.diff import Move
from propstats.report.figures import _FIGURES, figure, plot
from propstats.report.style import PALETTE, render
from propstats.rules.statistics import InputStatistics

_MLP = '[[layer]]\nkind = "dense"\nunits = 64\n\n[[layer]]\nkind = "relu"\n'


def _texts(drawn: Figure) -> list[str]:
    return [text.get_text() for legend in drawn.legends for text in legend.get_texts()]


def _x(line: Line2D) -> list[float]:
    return [float(x) for x in np.asarray(line.get_xdata(), dtype=float)]


def _y(line: Line2D) -> list[float]:
    return [float(y) for y in np.asarray(line.get_ydata(), dtype=float)]


def _saved(folder: Path, *sizes: int) -> Path:
    generator = torch.Generator().manual_seed(0)
    layers = [nn.Linear(a, b) for a, b in pairwise(sizes)]
    for layer in layers:
        nn.init.normal_(layer.weight, std=0.1, generator=generator)
    torch.save(nn.Sequential(*layers), folder / "model.pt")
    return folder / "model.pt"


def _vanishing(result: propstats.WeightScales) -> propstats.WeightScales:
    """What deep networks make of it: nothing that a logarithmic axis could show."""
    nothing = replace(result.schemes[0].forward_remaining, value=0.0)
    gone = [replace(row, forward_remaining=nothing, backward_remaining=nothing) for row in result.schemes]
    return replace(result, schemes=tuple(gone))


@cache
def _results() -> dict[str, Callable[[Path], object]]:
    def network(folder: Path) -> object:
        (folder / "net.toml").write_text("input = [64]\n\n" + _MLP * 4)
        return propstats.propagate(str(folder / "net.toml"))

    def same(_: Path) -> object:
        report = propstats.audit(nn.Sequential(nn.Linear(64, 8), nn.Tanh(), nn.Linear(8, 10)), "digits", samples=32)
        return propstats.diff(report, report)

    return {
        "moments": lambda _: propstats.moments("relu", samples=0, digits=None),
        "moments at a point": lambda _: propstats.moments("gelu", mean=1.0, std=0.0, samples=0, digits=None),
        "moments of a jump": lambda _: propstats.moments("step", samples=0, digits=None),
        "moments far out": lambda _: propstats.moments("exp", std=3.0, samples=0, digits=None),
        "gate": lambda _: propstats.gate_moments("swiglu", samples=0, digits=None),
        "dual": lambda _: propstats.dual_moments("relu", correlation=[-1.0, 0.0, 1.0], samples=0),
        "hermite": lambda _: propstats.hermite("relu", degree=3, digits=None),
        "pool": lambda _: propstats.pool("max", 3, stride=2, samples=0, digits=None),
        "pool in 3 dimensions": lambda _: propstats.pool("average", (3, 3, 2), stride=2, samples=0, digits=None),
        "pool of one number": lambda _: propstats.pool("global_average", size=(4, 4), samples=0, digits=None),
        "dropout": lambda _: propstats.dropout("inverted", keep=0.8, samples=0, digits=None),
        "scales": lambda _: propstats.scales("gelu", depth=50),
        "scales that vanish": lambda _: _vanishing(propstats.scales("relu", depth=3)),
        "mean field": lambda _: propstats.mean_field("tanh", sigma_w=1.5, sigma_b=0.1, digits=None, map_points=9),
        "no fixed point": lambda _: propstats.mean_field("relu", sigma_w=1.6, digits=None, map_points=9, depth=4),
        "propagate": network,
        "bound": lambda folder: propstats.bound(_saved(folder, 64, 16, 10), data="digits"),
        "sweep": lambda _: propstats.sweep("tanh", depths=(2, 3), sigma_w=(1.0, 1.5), width=16, draws=3),
        "sweep over depth": lambda _: propstats.sweep("relu", depths=(2, 3), width=16, draws=3),
        "sweep without spread": lambda _: propstats.sweep("identity", depths=(2,), width=8, draws=1),
        "diff": same,
    }


@pytest.mark.parametrize("name", list(_results()))
def test_says_what_it_shows_and_nothing_overlaps(name: str, tmp_path: Path) -> None:
    drawn = figure(_results()[name](tmp_path))
    canvas = FigureCanvasAgg(drawn)
    canvas.draw()  # type: ignore[no-untyped-call]
    renderer = canvas.get_renderer()  # type: ignore[no-untyped-call]
    width = drawn.bbox.width
    panels = [axes for axes in drawn.axes if axes.get_label() != "<colorbar>" and axes.axison]
    for axes in panels:
        assert axes.get_xlabel()
        assert axes.get_tightbbox(renderer).x0 >= 0  # type: ignore[union-attr]
    for left, right in pairwise(axes.get_tightbbox(renderer) for axes in panels):
        assert left is not None
        assert right is not None
        assert left.x1 <= right.x0
    for text in (*drawn.legends, *drawn.texts):
        box = text.get_window_extent(renderer)
        assert 0 <= box.x0 <= box.x1 <= width


def test_every_result_of_a_command_has_its_figure_function() -> None:
    from importlib import import_module

    for module, function in _FIGURES.values():
        assert callable(getattr(import_module(f"propstats.report.{module}"), function))


def test_what_has_no_figure_says_so(tmp_path: Path) -> None:
    with pytest.raises(DomainError, match="no figure shows str"):
        figure("moments")
    with pytest.raises(DomainError, match="no format"):
        plot(propstats.hermite("relu", degree=1, digits=None), tmp_path / "relu.txt")


def test_equal_results_give_equal_files(tmp_path: Path) -> None:
    for name in ("a.svg", "b.svg"):
        plot(propstats.hermite("relu", degree=2, digits=None), tmp_path / name)
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()


def test_moments_mark_kinks_and_break_lines_there() -> None:
    drawn = figure(propstats.moments("prelu", a=0.25, samples=0, digits=None))
    function = drawn.axes[0]
    assert _texts(drawn).count("kinks") == 1
    value, slope = function.lines[0], function.lines[1]
    x, y, steep = _x(value), _y(value), _y(slope)
    at = list(map(math.isnan, x)).index(True)
    assert abs(x[at - 1]) < 1e-300
    assert (y[-1], steep[at - 1], steep[at + 1]) == (4.0, 0.25, 1.0)
    assert "E[f] = 0.29921" in _texts(drawn)


def test_areas_of_integrands_are_the_moments() -> None:
    result = propstats.moments("gelu", mean=0.5, std=2.0, samples=0, digits=None)
    forward, backward = result.forward, result.backward
    integrands = figure(result).axes[1].lines
    for line, moment in zip(
        integrands, (forward.mean, forward.second_moment, backward.slope_second_moment), strict=True
    ):
        x, y = (torch.as_tensor(data, dtype=torch.float64) for data in (_x(line), _y(line)))
        # Beyond four standard deviations lies 6e-5 of the Gaussian, of f^2 at most (1/4 + 1) 6e-4 (x^2 grows there).
        assert abs(float(torch.trapezoid(y, x)) - moment.value) < 1e-2


def test_dual_needs_a_map() -> None:
    with pytest.raises(DomainError, match="one correlation is a point"):
        figure(propstats.dual_moments("relu", correlation=0.5, samples=0))


def test_hermite_shares_add_up() -> None:
    result = propstats.hermite("relu", degree=4, digits=None)
    total = _y(figure(result).axes[1].lines[0])[-1]
    assert total == pytest.approx(result.covered, abs=1e-12)


def test_mean_field_needs_its_maps() -> None:
    with pytest.raises(DomainError, match="map_points"):
        figure(propstats.mean_field("tanh", sigma_w=1.5, digits=None))
    with pytest.raises(DomainError, match="map_points must be"):
        propstats.mean_field("tanh", sigma_w=1.5, digits=None, map_points=1)


def test_mean_field_shows_fixed_points_where_map_meets_diagonal() -> None:
    result = propstats.mean_field("tanh", sigma_w=1.5, sigma_b=0.1, digits=None, map_points=41)
    assert result.maps is not None
    assert result.q_star is not None
    fixed = [_x(line)[0] for line in figure(result).axes[0].lines if line.get_marker() == "o"]
    assert fixed == [result.q_star.value]
    signs = [after > before for before, after in zip(result.maps.q, result.maps.q_next, strict=True)]
    crossing = next(x for x, above in zip(result.maps.q, signs, strict=True) if not above)
    assert abs(crossing - result.q_star.value) <= result.maps.q[1]


def test_propagation_shows_every_layer(tmp_path: Path) -> None:
    result = _results()["propagate"](tmp_path)
    assert isinstance(result, propstats.Propagation)
    forward, backward = figure(result).axes
    assert all(len(_x(axes.lines[0])) == len(result.layers) for axes in (forward, backward))
    assert _y(forward.lines[0])[0] == _y(backward.lines[0])[-1] == 1.0
    end = _y(forward.lines[0])[-1]
    assert end == pytest.approx(result.forward.total, rel=1e-12)
    dead = replace(result, layers=tuple(replace(layer, var=0.0, backward_std=0.0) for layer in result.layers))
    render(figure(dead), "png")


def test_bound_marks_what_data_have(tmp_path: Path) -> None:
    assert "measured on the data" in _texts(figure(propstats.bound(_saved(tmp_path, 64, 16), data="digits")))
    assert "measured on the data" not in _texts(figure(propstats.bound(_saved(tmp_path, 64, 16))))


def test_diff_shows_what_moved(tmp_path: Path) -> None:
    same = _results()["diff"](tmp_path)
    assert isinstance(same, propstats.AuditDiff)
    (axes,) = figure(same).axes
    assert "no statistic moved beyond its errors" in [text.get_text() for text in axes.texts]
    one = propstats.Estimate(1.0, 0.1, propstats.Route.SAMPLING)
    moves = tuple(Move("$x_1" * 20, 0, "forward.var", one, one, z, 0.0) for z in (9.0, -7.0, None))
    drawn = figure(replace(same, moved=moves))
    assert len(drawn.axes[0].get_yticklabels()) == 2
    assert sorted(_texts(drawn)) == ["grew", "shrank"]


def test_colours_are_told_apart() -> None:
    """In print, too: grey values of the palette are not all alike, and none is close to the paper."""
    greys = [sum(w * int(c[i : i + 2], 16) for w, i in ((0.299, 1), (0.587, 3), (0.114, 5))) for c in PALETTE]
    assert len(set(PALETTE)) == len(PALETTE)
    assert max(greys) < 200
    assert max(greys) - min(greys) > 50


def test_input_statistics_are_in_the_title(tmp_path: Path) -> None:
    result = _results()["propagate"](tmp_path)
    assert isinstance(result, propstats.Propagation)
    drawn = figure(replace(result, input=InputStatistics(correlation=0.25)))
    assert "correlation of two inputs 0.25" in drawn.get_suptitle()


def test_positions_that_are_all_alike_need_no_panel() -> None:
    (signal,) = figure(propstats.pool("max", 3, samples=0, digits=None)).axes
    assert signal.get_title(loc="left").endswith("gradient: std 0.3333 everywhere")


def test_only_values_decades_apart_get_a_logarithmic_axis() -> None:
    for gain, scale in ((1.0, "linear"), (0.2, "log")):  # at depth 3 mean squares of 0.1 and more, and of 1e-5 and less
        result = propstats.sweep("relu", depths=(2, 3), sigma_w=(1.2, 1.2 * gain), width=16, draws=3)
        for axes in figure(result).axes:
            low, high = axes.get_ylim()
            assert axes.get_yscale() == scale
            assert all(low < y < high for line in axes.lines if line.get_linewidth() == 1.2 for y in _y(line))
