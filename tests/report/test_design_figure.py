from propstats.report.design_figure import design_figure
from propstats.report.style import render
from propstats.simulation.design import design


def test_shows_ways_and_frontier() -> None:
    result = design("tanh", depth=6, width=32, draws=4)
    figure = design_figure(result)
    frontier, signal = figure.axes
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    for way in result.ways:
        assert any(label.startswith(way.name) for label in labels)
    assert "allowed: x2 over all layers" in labels
    assert len(signal.lines) == len(result.ways)
    assert len(frontier.lines) == len(result.ways) + 2
    render(figure, "svg")


def test_without_simulation() -> None:
    figure = design_figure(design("relu", depth=3, width=32, draws=0))
    assert not figure.axes[1].collections
