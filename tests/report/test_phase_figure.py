import pytest
from matplotlib.figure import Figure

from propstats.report.phase_figure import phase_figure
from propstats.report.style import render
from propstats.theory.mean_field.phase import phase


def _texts(figure: Figure) -> list[str]:
    (axes, *_) = figure.axes
    return [text.get_text() for text in axes.texts]


def test_two_phases_and_a_line() -> None:
    result = phase("tanh", points=31)
    figure = phase_figure(result)
    (axes, _) = figure.axes
    assert [text.split("\n")[0] for text in _texts(figure)] == ["ordered", "chaotic"]
    (line,) = axes.lines
    assert line.get_xdata()[0] == result.line[0][0].sigma_w  # type: ignore[index]
    assert axes.get_xlim() == (0.0, 3.0)
    assert not figure.legends


def test_no_fixed_point_and_one_critical_point() -> None:
    figure = phase_figure(phase("relu", points=31))
    texts = _texts(figure)
    assert "no fixed point\nsignals explode" in texts
    assert "critical: one point, (1.414, 0)" in texts


def test_several_fixed_points_are_dotted() -> None:
    figure = phase_figure(phase("square", points=31))
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["several fixed points"]


@pytest.mark.parametrize("kind", ["png", "svg"])
def test_it_is_drawn_twice_alike(kind: str) -> None:
    result = phase("prelu", points=5)
    assert render(phase_figure(result), kind) == render(phase_figure(result), kind)


def test_title_says_what_is_shown() -> None:
    figure = phase_figure(phase("prelu", points=11, beta=0.5, a=0.1))
    assert figure.axes[0].get_title(loc="left") == "prelu, a 0.1: how deep signals travel, biases of mean 0.5"
