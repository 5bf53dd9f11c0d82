"""`--plot`, on every command that has something to draw."""

import json
from pathlib import Path

import pytest
from propstats_cli.main import _COMMANDS, run

#: Commands without a picture: they print texts, tables of constants, or write figures of their own.
_NO_FIGURE = {"derive", "constants", "claims", "demo", "reproduce", "ways", "explain", "list"}


@pytest.mark.parametrize("command", sorted(set(_COMMANDS) - _NO_FIGURE))
def test_a_name_without_a_format_is_refused_before_the_work(
    command: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    # What else is missing is said later, or as well: this comes first, and nothing is read.
    needed = {"meanfield": ["--sigma-w", "1.5"], "lesson": ["he"], "diff": ["a.json", "b.json"]}
    arguments = needed.get(command, [str(tmp_path / "missing.pt")] if command in _WITH_FILE else [])
    assert run([command, *arguments, "--plot", "figure.txt"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err == "propstats: error: no format for figure.txt (end the name in .png, .svg or .pdf)\n"


_WITH_FILE = {"audit", "spectrum", "bound", "propagate"}


@pytest.mark.parametrize("suffix", ["png", "svg", "pdf"])
def test_formats(suffix: str, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / f"relu.{suffix}"
    assert run(["hermite", "--act", "relu", "--degree", "2", "--digits", "0", "--plot", str(path)]) == 0
    assert capsys.readouterr().out.endswith(f"figure: {path}\n")
    assert path.read_bytes()[:4] in (b"\x89PNG", b"<?xm", b"%PDF")


def test_json_stays_one_document(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    arguments = ("dropout", "--samples", "0", "--digits", "0", "--plot", str(tmp_path / "d.svg"), "--json")
    assert run(list(arguments)) == 0
    assert json.loads(capsys.readouterr().out)["status"] == "ok"


def test_one_correlation_is_no_map(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert run(["dual", "--act", "relu", "--correlation", "0.5", "--plot", str(tmp_path / "d.svg")]) == 2
    assert "add --points 41" in capsys.readouterr().err


def test_where_nothing_can_be_written(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "missing" / "h.svg"
    assert run(["hermite", "--act", "relu", "--degree", "1", "--digits", "0", "--plot", str(path)]) == 3
    assert capsys.readouterr().out == ""
