"""Options of `propstats audit` that meet: what is given is done, or refused."""

import json
from pathlib import Path

import pytest
import torch
from networks import mlp
from propstats_cli.main import run
from torch import nn

from propstats.report.saved import load_report


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    torch.save(mlp("tanh", depth=4), "model.pt")
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (
            ["--static", "--html", "a.html"],
            "--static runs nothing and measures no signal: it does not go together with --html",
        ),
        (["--static", "--fix", "b.pt"], "not go together with --fix"),
        (["--static", "--baseline", "a.json"], "not go together with --baseline"),
        (["--static", "--github"], "not go together with --github"),
        (["--fix", "b.pt", "--baseline", "a.json"], "not go together with --baseline"),
        (["--method", "lsuv"], "--method is for --fix FILE, which is not given"),
        (["--retrain-ok"], "--retrain-ok is for --fix FILE"),
    ],
)
def test_options_that_would_do_nothing_are_refused(
    folder: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], why: str
) -> None:
    assert run(["audit", "model.pt", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert why in err
    assert [path.name for path in folder.iterdir()] == ["model.pt"]


def test_reports_of_a_fix_show_the_network_after_it(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--fix", "fixed.pt", "--html", "page.html", "--out", "all", "--samples", "256"]
    assert run(["audit", "model.pt", *arguments]) == 0
    out = capsys.readouterr().out
    assert [line.split()[-1] for line in out.splitlines() if line.startswith("wrote")][1:] == [
        "all/audit.json", "page.html", "all/audit.junit.xml", "all/audit.png",
    ]  # fmt: skip
    assert run(["audit", "fixed.pt", "--samples", "256", "--json"]) == 0
    again = json.loads(capsys.readouterr().out)["data"]["layers"]
    saved = load_report("all/audit.json").layers
    assert [layer.forward.var.value for layer in saved] == [layer["forward"]["var"]["value"] for layer in again]


def test_what_fails_can_be_chosen_for_weights_and_fixes_too(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = nn.Linear(64, 8)
    with torch.no_grad():
        first.weight[1], first.bias[1] = first.weight[0], first.bias[0]  # two equal units
    torch.save(nn.Sequential(first, nn.ReLU(), nn.Linear(8, 4)), "model.pt")
    for arguments in (["--static"], ["--fix", "fixed.pt"]):
        codes = [run(["audit", "model.pt", *arguments, "--quiet", "--fail-on", level]) for level in ("info", "never")]
        assert codes == [1, 0]
        assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["verdict"] * 2
