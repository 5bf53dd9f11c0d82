"""Options about model files, which several commands share."""

import json
import sys
from pathlib import Path

import pytest
import torch
from model_files import save_exported, weights
from propstats_cli.main import run
from torch import nn

SOURCE = """
from torch import nn
class Net(nn.Sequential):
    pass
def make(width=4):
    return nn.Sequential(nn.Linear(3, width), nn.ReLU(), nn.Linear(width, 2))
"""
COMMANDS = (("audit", "--data", "gaussian:3"), ("spectrum", "--data", "gaussian:3"), ("bound",), ("propagate",))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "propstats_cli_nets.py").write_text(SOURCE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "propstats_cli_nets", raising=False)
    torch.save(weights(), "weights.pt")
    return tmp_path


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_an_architecture_with_arguments(
    home: Path, command: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    name, *more = command
    assert run([name, "weights.pt", *more, "--arch", 'propstats_cli_nets:make({"width": 4})']) in (0, 1)
    assert run([name, "weights.pt", *more, "--arch", 'propstats_cli_nets:make({"width": 5})']) == 3
    err = capsys.readouterr().err
    assert "0.weight 4x3 instead of 5x3" in err
    assert len(err.splitlines()) == 1
    assert run([name, "weights.pt", *more, "--arch", 'propstats_cli_nets:make({"width": 5})', "--partial"]) in (0, 1)
    assert run([name, "weights.pt", *more, "--arch", "make"]) == 2


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_classes_that_are_allowed(home: Path, command: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    import propstats_cli_nets  # type: ignore[import-not-found]  # pyright: ignore[reportMissingImports]

    torch.save(propstats_cli_nets.Net(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)), "net.pt")
    name, *more = command
    assert run([name, "net.pt", *more]) == 3
    assert "--allow propstats_cli_nets:Net" in capsys.readouterr().err
    assert run([name, "net.pt", *more, "--allow", "propstats_cli_nets:Net"]) in (0, 1)
    assert run([name, "net.pt", *more, "--allow", "subprocess:Popen"]) == 3
    assert run([name, "net.pt", *more, "--class", "propstats_cli_nets.Net=propstats_cli_nets:Net"]) in (0, 1)


def test_trust_is_loud_and_recorded(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save_exported(home / "program.bin")
    arguments = ["audit", "program.bin", "--data", "gaussian:1x8x8", "--json"]
    assert run(arguments) == 3
    out, err = capsys.readouterr()
    assert json.loads(out)["errors"][0]["code"] == "unsafe_model"
    assert "nothing was executed" in err
    assert run([*arguments, "--trust"]) in (0, 1)
    out, err = capsys.readouterr()
    assert "--trust" in err
    model = json.loads(out)["data"]["model"]
    assert (model["trusted"], model["tier"], model["format"]) == (True, "trusted", "torch export")
    assert model["notes"]


def test_checksums(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = home / "weights.pt"
    raw = bytearray(path.read_bytes())
    raw[raw.index(weights()["0.weight"].numpy().tobytes()) + 3] ^= 4
    path.write_bytes(raw)
    assert run(["audit", str(path)]) == 3
    assert "checksum" in capsys.readouterr().err
    assert run(["audit", str(path), "--no-verify", "--json"]) in (0, 1)
    assert json.loads(capsys.readouterr().out)["data"]["model"]["notes"] == ["checksums were not verified"]
