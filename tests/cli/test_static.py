"""`propstats audit` of weights alone."""

import json
from pathlib import Path

import pytest
import torch
from propstats_cli.main import run
from torch import nn

import propstats


@pytest.fixture
def file(tmp_path: Path) -> str:
    torch.manual_seed(0)
    first = nn.Linear(64, 50)
    nn.init.kaiming_normal_(first.weight)
    model = nn.Sequential(first, nn.ReLU(), nn.Linear(50, 10))
    torch.save(model.state_dict(), tmp_path / "w.pt")
    torch.save(model, tmp_path / "m.pt")
    return str(tmp_path / "w.pt")


def test_the_table(file: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert run(["audit", file]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(len(line) for line in lines[1:4]) <= 80
    assert lines[2].split()[:2] == ["0.weight", "50x64"]
    assert lines[2].rstrip().endswith("he")
    assert any("no signal was measured" in line for line in lines)
    assert lines[-1] == "verdict   PASS: nothing is wrong with the weights themselves"


def test_it_is_asked_for_or_all_that_can_be_done(file: str, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    for arguments in ((file,), (str(tmp_path / "m.pt"), "--static")):
        assert run(["audit", *arguments, "--json"]) == 0
        document = json.loads(capsys.readouterr().out)
        data = document["data"]
        assert document["command"] == "audit"
        assert {"model", "data", "coverage", "layers", "findings", "trend", "weights", "notes"} <= data.keys()
        assert data["data"] is None
        assert data["verdict"] == "pass"
        report = propstats.audit_weights(arguments[0])
        assert [weight["name"] for weight in data["weights"]] == [weight.name for weight in report.weights]
        assert data["weights"][0]["fingerprint"]["scheme"] == "he"
    assert run(["audit", str(tmp_path / "m.pt"), "--json"]) in (0, 1)
    assert json.loads(capsys.readouterr().out)["data"]["data"]["samples"] == 1797


def test_faults(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    torch.save({"a\x1b[31m": torch.full((3, 3), float("nan"))}, tmp_path / "w.pt")
    assert run(["audit", str(tmp_path / "w.pt")]) == 1
    out = capsys.readouterr().out
    assert "9 of the 9 numbers" in out
    assert "FAIL: the weights themselves are broken" in out
    assert "\x1b" not in out


def test_a_page_needs_a_signal(file: str, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert run(["audit", file, "--html", str(tmp_path / "page.html")]) == 3
    assert "holds weights only" in capsys.readouterr().err
    assert not (tmp_path / "page.html").exists()
