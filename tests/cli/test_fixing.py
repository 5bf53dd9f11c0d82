"""`propstats audit --fix` on the command line."""

import json
from pathlib import Path

import pytest
import torch
from networks import mlp
from propstats_cli.main import run


@pytest.mark.slow
def test_before_and_after_side_by_side(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.save(mlp("tanh", depth=12), tmp_path / "fresh.pt")
    fresh, out = str(tmp_path / "fresh.pt"), str(tmp_path / "critical.pt")
    assert run(["audit", fresh, "--fix", out]) == 0
    text = capsys.readouterr().out
    assert "PASS after the fix" in text
    assert "as predicted" in text
    assert all(len(line) <= 80 for line in text.splitlines() if line.startswith(("layer", "1 ", "23")))
    assert run(["audit", out]) == 0
    capsys.readouterr()
    assert run(["audit", fresh, "--fix", fresh]) == 3
    assert "is the model itself" in capsys.readouterr().err


def test_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.save(mlp("relu", depth=8), tmp_path / "fresh.pt")
    assert run(["audit", str(tmp_path / "fresh.pt"), "--fix", str(tmp_path / "out.pt"), "--json"]) == 0
    data = json.loads(capsys.readouterr().out)["data"]
    assert {"method", "path", "format", "changes", "checks", "before", "after"} <= data.keys()
    assert data["before"]["findings"]
    assert not data["after"]["findings"]
    assert all(check["agrees"] for check in data["checks"])


@pytest.mark.slow
def test_policies(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.save(mlp("relu", critical=True), tmp_path / "he.pt")
    assert run(["audit", str(tmp_path / "he.pt")]) == 0
    assert run(["audit", str(tmp_path / "he.pt"), "--policy", "canonical"]) == 1
    assert "non-canonical-variance" in capsys.readouterr().out
    assert run(["audit", str(tmp_path / "he.pt"), "--policy", "canon"]) == 2
