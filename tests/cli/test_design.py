from collections.abc import Callable
from pathlib import Path
from typing import Any

Answer = tuple[int, dict[str, Any], str]


def test_document(answer: Callable[..., Answer]) -> None:
    code, document, _ = answer("design", "--act", "tanh", "--depth", "20", "--width", "64", "--draws", "20")
    assert code == 0
    data = document["data"]
    assert {"activation", "depth", "width", "max_growth", "ways", "refused", "recommended", "frontier"} <= data.keys()
    names = [way["name"] for way in data["ways"]]
    assert names == ["canonical", "paper", "biased", "leaky", "shaped", "two scales"]
    assert data["recommended"] in names
    assert len(data["ways"][0]["second_moments"]) == 21


def test_no_way_fits(answer: Callable[..., Answer]) -> None:
    """Two units a layer break at once, whatever they compute."""
    code, document, _ = answer("design", "--depth", "30", "--width", "2", "--draws", "0", "--branches")
    assert code == 1
    assert document["status"] == "findings"
    assert document["data"]["recommended"] is None


def test_bad_input(answer: Callable[..., Answer]) -> None:
    for options in (["--max-growth", "1"], ["--depth", "0"], ["--width", "1"], ["--act", "tanh", "--expr", "x"]):
        code, document, _ = answer("design", *options)
        assert code == 2
        assert document["errors"]


def test_plot(answer: Callable[..., Answer], tmp_path: Path) -> None:
    figure = tmp_path / "design.svg"
    code, _, _ = answer("design", "--depth", "5", "--width", "32", "--draws", "4", "--plot", str(figure))
    assert code == 0
    assert figure.read_bytes().startswith(b"<?xml")
