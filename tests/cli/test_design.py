"""`propstats design`."""

import json
from pathlib import Path
from typing import Any

import pytest
from propstats_cli.main import run


def _document(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> dict[str, Any]:
    assert run(["design", *arguments, "--json"]) == code
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_document(capsys: pytest.CaptureFixture[str]) -> None:
    data = _document(capsys, "--act", "tanh", "--depth", "20", "--width", "64", "--draws", "20")["data"]
    assert {"activation", "depth", "width", "max_growth", "ways", "refused", "recommended", "frontier"} <= data.keys()
    names = [way["name"] for way in data["ways"]]
    assert names == ["canonical", "paper", "biased", "leaky", "shaped", "two scales"]
    assert data["recommended"] in names
    assert len(data["ways"][0]["second_moments"]) == 21


def test_table(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert run(["design", "--draws", "0"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "50 layers of 512 units, relu; gradients may grow x2 in the mean square"
    assert lines[2].split() == ["canonical", "x1", "x2.09e+08", "1.000", "26.7%", "30", "-", "no"]
    assert max(len(line.rstrip()) for line in lines[:7]) <= 80
    assert "shaped: not here" in lines[-2]
    assert lines[-1] == "recommended: leaky, the most nonlinear way that fits"


def test_no_way_fits(capsys: pytest.CaptureFixture[str]) -> None:
    """Two units a layer break at once, whatever they compute."""
    document = _document(capsys, "--depth", "30", "--width", "2", "--draws", "0", "--branches", code=1)
    assert document["status"] == "findings"
    assert document["data"]["recommended"] is None


@pytest.mark.parametrize(
    "options", [["--max-growth", "1"], ["--depth", "0"], ["--width", "1"], ["--act", "tanh", "--expr", "x"]]
)
def test_bad_input(capsys: pytest.CaptureFixture[str], options: list[str]) -> None:
    assert _document(capsys, *options, code=2)["errors"]


def test_plot(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    figure = tmp_path / "design.svg"
    assert run(["design", "--depth", "5", "--width", "32", "--draws", "4", "--plot", str(figure)]) == 0
    assert figure.read_bytes().startswith(b"<?xml")
    assert "figure: " in capsys.readouterr().out
