"""`propstats audit --data`: names, files, factories, and what happens when there are none."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from data_files import cifar, write
from propstats_cli.main import run
from torch import nn


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    torch.manual_seed(0)
    torch.save(nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 2)), tmp_path / "model.pt")
    np.save(tmp_path / "x.npy", np.random.default_rng(0).normal(size=(500, 4)))
    return "model.pt"


def test_samples_are_said(model: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["audit", model, "--data", "x.npy", "--samples", "100", "--seed", "3"]) == 0
    assert "x.npy: 100 of 500 samples of 4, normalised: none" in capsys.readouterr().out
    assert run(["audit", model, "--data", "x.npy", "--samples", "0", "--normalize", "batch", "--json"]) == 0
    data = json.loads(capsys.readouterr().out)["data"]["data"]
    assert (data["samples"], data["available"], data["normalization"]) == (500, 500, "batch")
    assert (data["dtype"], data["notes"]) == ("float64", [])


def test_the_seed_chooses_the_samples(model: str, capsys: pytest.CaptureFixture[str]) -> None:
    printed = []
    for seed in ("1", "1", "2"):
        run(["audit", model, "--data", "x.npy", "--samples", "50", "--seed", seed, "--json"])
        printed.append(capsys.readouterr().out)
    assert printed[0] == printed[1] != printed[2]


def test_a_factory(model: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    source = "import torch\ndef make():\n    while True:\n        yield torch.randn(16, 4), torch.zeros(16).long()\n"
    Path("propstats_cli_data.py").write_text(source)
    monkeypatch.delitem(sys.modules, "propstats_cli_data", raising=False)
    assert run(["audit", model, "--data", "propstats_cli_data:make", "--samples", "200"]) == 0
    assert "propstats_cli_data:make: 200 samples of 4" in capsys.readouterr().out


def test_a_copy_in_a_folder(model: str, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 30 * 30, 2))
    torch.save(network, "cnn.pt")
    write(tmp_path / "sets/cifar-10-batches-bin/test_batch.bin", cifar(20)[0])
    assert run(["audit", "cnn.pt", "--data", "cifar10", "--data-dir", "sets", "--offline"]) == 3
    assert "holds 20 samples instead of 10,000" in capsys.readouterr().err
    assert run(["audit", "cnn.pt", "--data", "sets/cifar-10-batches-bin/test_batch.bin", "--normalize", "global"]) == 0
    assert "20 samples of 3x32x32, normalised: global" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "code", "word"),
    [
        (("--data", "cifar10", "--offline"), 3, "no copy on this machine"),
        (("--data", "cifar10:dev"), 2, "no split 'dev'"),
        (("--data", "cifar-11"), 2, "did you mean cifar10"),
        (("--data", "x.npy", "--normalize", "zca"), 2, "none, global, feature, batch"),
        (("--data", "x.npy", "--samples", "1"), 3, "one sample has no variance"),
        (("--data", "x.npy", "--samples", "-1"), 2, "--samples"),
        (("--data", "no.such:thing"), 3, "ModuleNotFoundError"),
        (("--data", "absent.npy"), 3, "no such file"),
    ],
)
def test_refusals(
    model: str, arguments: tuple[str, ...], code: int, word: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["audit", model, *arguments]) == code
    out, err = capsys.readouterr()
    assert word in err
    assert out == ""
    assert len(err.strip().splitlines()) == 1


@pytest.mark.parametrize("command", ["spectrum", "bound"])
def test_other_commands_know_the_same_data(command: str, model: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([command, model, "--data", "mnist", "--offline"]) == 3
    assert "no copy on this machine" in capsys.readouterr().err
    assert run([command, model, "--data", "x.npy"]) == 0
