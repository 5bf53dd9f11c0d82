"""Every command's help has examples; the command line understands them, and they run."""

import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import typer
from networks import mlp
from propstats_cli.main import _COMMANDS, app, run
from safetensors.torch import save_file
from torch import nn


def _examples(command: str) -> list[list[str]]:
    lines = (line.strip() for line in (_COMMANDS[command].__doc__ or "").splitlines())
    words = [shlex.split(line) for line in lines if "propstats " in line]
    # Behind torchrun, too: what follows the name of the command.
    return [
        line[line.index("propstats") + 2 :] for line in words if line[line.index("propstats") + 1 :][:1] == [command]
    ]


@pytest.mark.parametrize("command", sorted(_COMMANDS))
def test_examples_are_understood(command: str) -> None:
    examples = _examples(command)
    assert len(examples) >= 2
    group: Any = typer.main.get_command(app)
    for example in examples:
        group.commands[command].make_context(command, list(example))


def test_an_example_with_a_wrong_option_is_found() -> None:
    group: Any = typer.main.get_command(app)
    with pytest.raises(Exception, match="No such option"):
        group.commands["moments"].make_context("moments", ["--actt", "relu"])


#: The last value of an option counts: what takes minutes is made small, what is not here is replaced by what is.
_SMALLER = {
    "jacobian": ["--draws", "3"],
    "sweep": ["--draws", "2"],
    "design": ["--draws", "2"],
    "demo": ["--steps", "20"],
    "reproduce": ["--data", "digits", "--budget", "10", "--thin", "32", "--seeds", "2", "--device", "cpu"],
    "ways": ["--data", "digits", "--depth", "2", "--width", "8", "--seeds", "2"],
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Path:
    """A folder with all the files that examples name."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
    sound = nn.Sequential(nn.Flatten(), mlp("relu", depth=4, critical=True))
    for name in ("model.pt", "fresh.pt"):
        torch.save(sound, name)
    save_file(sound.state_dict(), "weights.safetensors")
    np.save("weights.npy", np.eye(4) + 0.1)
    np.save("images.npy", np.random.default_rng(0).normal(size=(64, 1, 8, 8)).astype(np.float32))
    Path("network.toml").write_text('input = [64]\n[[layer]]\nkind = "dense"\nunits = 64\n[[layer]]\nkind = "relu"\n')
    Path("mypackage").mkdir()
    Path("mypackage/models.py").write_text(
        "import torch\n\n\ndef make():\n    return torch.load('model.pt', weights_only=False)\n"
    )
    assert run(["audit", "model.pt", "--json"]) == 0
    report = capsys.readouterr().out
    for name in ("audit.json", "before.json", "after.json"):
        Path(name).write_text(report)
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize("command", sorted(_COMMANDS))
def test_examples_run(command: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In their order, as later ones use what earlier ones wrote."""
    if command == "propagate":
        torch.save(nn.Sequential(nn.Flatten(), nn.Linear(3072, 64), nn.ReLU()), "model.pt")
    for number, example in enumerate(_examples(command)):
        smaller = list(_SMALLER.get(command, []))
        if command == "ways":
            smaller += ["--steps", "2"] if "--steps" in example else ["--budget", "10"]
        if command in {"ways", "reproduce"}:  # a folder holds one experiment
            smaller += ["--out", f"runs-{number}"]
        if example[:1] == ["all"]:  # they share their time
            smaller += ["--budget", "25"]  # 7 would do on a quiet machine
        assert run([command, *example, *smaller]) == 0, (example, capsys.readouterr().err)
        out, err = capsys.readouterr()
        assert out
        assert err == ""
    written = {
        word for example in _examples(command) for word in example if word.endswith((".md", ".png", ".svg", ".html"))
    }
    assert all((folder / name).stat().st_size > 0 for name in written)
