"""`propstats propagate`: the answer, the exit codes, and what a wrong file is told."""

import json
from pathlib import Path

import pytest
import torch
from propstats_cli.main import run
from torch import nn

import propstats

SOUND = """
input = [64]
[[layer]]
repeat = 20
[[layer.layer]]
kind = "dense"
units = 64
[[layer.layer]]
kind = "relu"
"""


def _run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = run(["propagate", *arguments])
    out, err = capsys.readouterr()
    return code, out, err


def _file(tmp_path: Path, text: str, name: str = "net.toml") -> str:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_json_has_what_every_layer_carries(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = _file(tmp_path, SOUND)
    code, out, err = _run(capsys, path, "--data-mean", "0.5", "--correlation", "0.25", "--json")
    document = json.loads(out)
    data = document["data"]
    assert (code, err, document["command"], document["status"]) == (0, "", "propagate", "ok")
    assert data["verdict"] == "pass"
    assert data["input"]["mean"] == 0.5
    assert len(data["layers"]) == 41
    assert data["layers"][1].keys() == {
        "name", "kind", "units", "positions", "mean", "std", "var", "c", "error", "backward_std", "backward_error",
    }  # fmt: skip
    assert data["forward"].keys() == data["backward"].keys() == {"total", "rate", "dies_at"}
    library = propstats.propagate(path, mean=0.5, correlation=0.25)
    assert [layer["var"] for layer in data["layers"]] == [layer.var for layer in library.layers]


def test_a_signal_that_dies_exits_with_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = SOUND.replace("units = 64", 'units = 64\nweights = "torch"')
    code, out, _ = _run(capsys, _file(tmp_path, text))
    assert code == 1
    assert "FAIL" in out
    assert "x0.408 a layer of weights" in out  # 1/sqrt 6
    forwards, backwards = (line for line in out.splitlines() if "from end to end" in line)
    assert "below 1/100 from dense_5 on" in forwards
    assert "below 1/100 from dense_15 on" in backwards  # what reaches its output has passed five layers of weights


def test_eighty_columns(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    code, out, _ = _run(capsys, _file(tmp_path, SOUND))
    table = [line for line in out.splitlines() if line.startswith(("dense", "relu", "layer", "input"))]
    assert code == 0
    assert len(table) == 42
    assert max(map(len, table)) <= 80


def test_a_torch_module_in_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 6 * 6, 10))
    torch.save(network, tmp_path / "model.pt")
    code, out, _ = _run(capsys, str(tmp_path / "model.pt"), "--shape", "3x8x8")
    assert code == 0
    assert "8x6x6" in out
    code, _, err = _run(capsys, str(tmp_path / "model.pt"))
    assert code == 3
    assert "--shape 3x32x32" in err


@pytest.mark.parametrize("shape", ["3xx8", "0", "3x-1", "a"])
def test_a_wrong_shape(shape: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = _run(capsys, str(tmp_path / "any.pt"), "--shape", shape)
    assert code == 2
    assert "--shape takes" in err
    assert len(err.splitlines()) == 1


def test_a_wrong_file_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = _run(capsys, _file(tmp_path, SOUND.replace("relu", "reluu")), "--json")
    assert code == 3
    assert json.loads(out)["errors"][0]["code"] == "model"
    assert "line 8: layer 'reluu': unknown kind 'reluu'" in err
    assert "did you mean relu" in err
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize(("option", "value"), [("--shape", "3x4"), ("--arch", "a.b:c"), ("--key", "ema")])
def test_what_is_said_of_a_module_is_refused_of_a_network_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], option: str, value: str
) -> None:
    code, out, err = _run(capsys, _file(tmp_path, SOUND), option, value)
    assert (code, out) == (2, "")
    assert f"{option[2:]} is for torch modules, and a network file says all of its network" in err
