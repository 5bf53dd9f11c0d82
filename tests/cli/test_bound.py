"""`propstats bound`."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from propstats_cli.main import run
from torch import nn

import propstats


@pytest.fixture
def network(tmp_path: Path) -> str:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv2d(1, 8, 3), nn.Flatten(), nn.Linear(288, 10), nn.Embedding(3, 4))
    torch.save(module, tmp_path / "m.pt")
    return str(tmp_path / "m.pt")


def test_the_table(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, network: str) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert run(["bound", network, "--data", "digits"]) == 0
    out = capsys.readouterr().out
    lines = out.splitlines()
    row = next(line.split() for line in lines if line.startswith("0.weight  Conv2d"))
    assert row[2:4] == ["8", "9"]
    assert "skipped 3.weight: rows of an embedding are looked up" in out
    assert "0.weight on these data, 36 positions each" in out
    assert "largest correlation of two units" in out
    assert max(len(line) for line in lines[1:4]) <= 80


def test_zero_rows_are_noted(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    np.save(tmp_path / "w.npy", np.array([[1.0, 0.0], [0.0, 0.0], [0.0, 2.0]]))
    assert run(["bound", str(tmp_path / "w.npy")]) == 0
    out = capsys.readouterr().out
    assert "note: array: 1 of 3 units have no weights" in out
    assert "note: the file names no layers" in out


def test_json_is_what_the_function_returns(capsys: pytest.CaptureFixture[str], network: str) -> None:
    assert run(["bound", network, "--std", "2", "--data", "digits", "--json"]) == 0
    data = json.loads(capsys.readouterr().out)["data"]
    report = propstats.bound(network, std=2.0, data="digits")
    assert data.keys() == {"model", "std", "weights", "skipped", "data", "first", "notes"}
    for shown, weight in zip(data["weights"], report.weights, strict=True):
        assert shown["name"] == weight.name
        assert shown["canonical"].keys() >= {"coherence", "canonical_error_bound", "off_diagonal", "ratio"}
        assert shown["canonical"]["coherence"]["value"] == weight.canonical.coherence.value
        assert shown["canonical"]["canonical_error_bound"]["route"] == "closed_form"
    assert report.first is not None
    assert data["first"]["off_diagonal"]["route"] == "measured"
    assert data["first"]["off_diagonal"]["error"] == report.first.off_diagonal.error


@pytest.mark.parametrize(
    ("content", "arguments", "code", "message"),
    [
        (torch.ones(2, 2), (), 3, "holds one tensor, no network"),
        ({"w": torch.full((2, 2), float("inf"))}, (), 3, "w: 4 of 4 weights are not finite"),
        ({"w": torch.ones(2, 2)}, ("--std", "-1"), 2, "std must be a positive number, got -1"),
        ({"w": torch.ones(2, 2)}, ("--data", "digits"), 3, "takes 2 inputs"),
        ({"w": torch.ones(2, 2)}, ("--data", "digit"), 2, "digits"),
        ({"w": torch.ones(2, 2)}, ("--normalize", "global"), 2, "add --data"),
        ({"w": torch.ones(2)}, (), 3, "holds no matrix of weights"),
        (print, (), 3, "nothing was executed"),
    ],
)
def test_bad_input_is_one_line(
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    content: object,
    arguments: tuple[str, ...],
    code: int,
    message: str,
) -> None:
    torch.save(content, tmp_path / "m.pt")
    assert run(["bound", str(tmp_path / "m.pt"), *arguments]) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1
    assert message in err


def test_a_missing_file(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["bound", "missing.npy"]) == 3
    assert "missing.npy" in capsys.readouterr().err
