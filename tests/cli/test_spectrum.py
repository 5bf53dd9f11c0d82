"""`propstats spectrum`."""

import json
from pathlib import Path

import pytest
import torch
from propstats_cli.main import run
from torch import nn


@pytest.fixture
def model(tmp_path: Path) -> str:
    """A file with a linear network, whose singular values are known."""
    linear = nn.Linear(3, 3, bias=False)
    linear.load_state_dict({"weight": torch.diag(torch.tensor([3.0, 2.0, 1.0]))})
    path = tmp_path / "model.pt"
    torch.save(nn.Sequential(linear), path)
    return str(path)


def test_table(model: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["spectrum", model, "--data", "gaussian:3", "--top", "2", "--inputs", "5"]) == 0
    out = capsys.readouterr().out
    rows = {line[:21].strip(): line[21:].strip() for line in out.splitlines()}
    assert rows["mean square"] == "4.66667"
    assert rows["max"] == "3"
    assert rows["number 2"] == "2"
    assert "Jacobian of 3 outputs by 3 inputs" in out


def test_document_and_figure(model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    figure = tmp_path / "spectrum.svg"
    assert run(["spectrum", model, "--data", "gaussian:3", "--plot", str(figure), "--json"]) == 0
    data = json.loads(capsys.readouterr().out)["data"]
    assert data["max"]["value"] == 3.0
    assert data["max"]["route"] == "measured"
    assert data["rows"] == data["columns"] == 3
    assert data["model"]["sha256"]
    assert figure.read_bytes().startswith(b"<?xml")


@pytest.mark.parametrize(("data", "code"), [("gaussian:4", 3), ("nothing", 2)])
def test_refusals(model: str, data: str, code: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["spectrum", model, "--data", data]) == code
    assert len(capsys.readouterr().err.splitlines()) == 1
