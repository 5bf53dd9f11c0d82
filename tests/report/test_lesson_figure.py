"""What a lesson's figure must not hide."""

import math

import pytest

from propstats.experiments.lessons.record import Curve, Lesson, Panel
from propstats.report.lesson_figure import lesson_figure


def _lesson(panel: Panel) -> Lesson:
    return Lesson("name", "Title", "statement", {}, True, "point", panel, 0)


def test_what_diverges_at_once_is_a_point() -> None:
    steps = tuple(map(float, range(1, 101)))
    curves = (Curve("sound", steps, (1.0,) * 100), Curve("gone", steps, (2.0**20, *[math.nan] * 99)))
    figure = lesson_figure(_lesson(Panel("loss", "step", "loss", curves, log_y=True)))
    (axes,) = figure.axes
    sound, gone = axes.get_lines()
    assert (sound.get_marker(), gone.get_marker()) == ("None", "o")
    assert axes.get_ylim()[1] > 2.0**20


@pytest.mark.parametrize("is_theory", [False, True])
def test_kinds_stand_side_by_side(is_theory: bool) -> None:
    curve = Curve("1/fan_in", (0.0, 1.0), (1.0, 0.25), is_theory)
    figure = lesson_figure(_lesson(Panel("", "", "factor", (curve,), log_y=True, ticks=("forward", "backward"))))
    (axes,) = figure.axes
    assert [label.get_text() for label in axes.get_xticklabels()] == ["forward", "backward"]
    assert axes.get_lines()[0].get_linestyle() == "None"
    assert axes.get_xlim() == (-0.5, 1.5)
