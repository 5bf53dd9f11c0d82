"""Weights are found where training scripts put them, and what lies beside them is neither made nor run."""

import argparse
import collections
import datetime
import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from model_files import Evil, weights
from torch import nn

from propstats.auditing.loading.content import check_size
from propstats.auditing.loading.finding import find_weights
from propstats.auditing.loading.load import read_content
from propstats.errors import ModelError, UnsafeModelError

ADAM = {"state": {0: {"exp_avg": torch.ones(3, 4)}}, "param_groups": [{"lr": 0.1}]}


@pytest.mark.parametrize(
    ("checkpoint", "note"),
    [
        (weights(), ""),
        ({"state_dict": weights(), "optimizer": ADAM, "best": torch.tensor(0.5)}, ""),
        ({"model": {"state_dict": weights()}}, ""),
        ({"ema_state_dict": weights(), "step": torch.tensor(3)}, ""),
        (
            {"model": weights(), "model_ema": weights()},
            "the weights are those under model; also there, for --key: model_ema",
        ),
        ({"student": weights(), "opt": ADAM}, "the weights are those under student"),
    ],
)
def test_found(checkpoint: Any, note: str) -> None:
    found, notes = find_weights(checkpoint, name="m.pt")
    assert isinstance(found, dict)
    assert found.keys() == weights().keys()
    assert notes == ((note,) if note else ())


@pytest.mark.parametrize(
    ("checkpoint", "words"),
    [
        (ADAM, "state of an optimiser"),
        ({"optimizer": ADAM, "epoch": 3}, "state of an optimiser"),
        ({"G": weights(), "D": weights()}, r"several sets of weights \(G, D\).*--key G"),
        ({'G"; rm x; "': weights(), "D": weights()}, "--key NAME"),
        ({"G": nn.ReLU(), "D": nn.ReLU()}, "--key G"),
        (torch.ones(3), "--data"),
        ({}, "nothing"),
        ({1: torch.ones(3, 3)}, "named by text"),
    ],
)
def test_refused(checkpoint: Any, words: str) -> None:
    with pytest.raises(ModelError, match=words):
        find_weights(checkpoint, name="m.pt")


@pytest.mark.parametrize(
    ("content", "key"),
    [
        ({"G": weights(), "D": {}}, "G"),
        ({"models": {"G": weights(), "D": weights()}}, "models.G"),
        ({"a.b": weights(), "a": {"b": {}}}, "a.b"),
        ({"models": {"G": {"state_dict": weights()}}}, "models.G"),
        ({f"G.{name}": value for name, value in weights().items()} | {"D.weight": torch.ones(2, 2)}, "G"),
    ],
)
def test_chosen_by_key(content: Any, key: str) -> None:
    found, notes = find_weights(content, name="m.pt", key=key)
    assert isinstance(found, dict)
    assert found.keys() == weights().keys()
    assert notes[0] == f"the weights are those under {key}"


@pytest.mark.parametrize(
    ("content", "key", "words"),
    [
        ({"G": weights(), "D": weights()}, "E", "nothing under E; --key takes one of what is there: G, D"),
        ({"models": {"G": weights()}}, "models.D", "nothing under D; --key takes one of what is there: G"),
        ({}, "G", "nothing under G.*there: nothing"),
        (nn.ReLU(), "G", "no dictionary.*no keys.*drop --key"),
        ({"G": 3}, "G", "holds a int"),
    ],
)
def test_nothing_under_the_key(content: Any, key: str, words: str) -> None:
    with pytest.raises(ModelError) as caught:
        find_weights(content, name="m.pt", key=key)
    assert re.search(words, f"{caught.value.message}; {caught.value.hint}")


BESIDE = {
    "args": argparse.Namespace(lr=0.1, out=Path("/somewhere")),
    "best": np.float64(0.5),
    "random": np.random.RandomState(0).get_state(),
    "when": datetime.datetime(2020, 1, 2),
    "history": collections.defaultdict(list, {"loss": [1.0, 2.0]}),
    "last": collections.deque([1, 2], maxlen=3),
}


@pytest.mark.parametrize("zipped", [True, False])
def test_what_lies_beside_is_left_unread(tmp_path: Path, zipped: bool) -> None:
    path = tmp_path / "m.pt"
    torch.save({"model": weights(), **BESIDE}, path, _use_new_zipfile_serialization=zipped)
    with pytest.raises(Exception, match="Weights only load failed"):
        torch.load(path)
    read = read_content(path)
    assert isinstance(read.content, dict)
    assert all(torch.equal(torch.as_tensor(read.content[key]), value) for key, value in weights().items())
    assert read.info.tier == "safe"
    assert "argparse.Namespace" in read.info.notes[-1]


def test_what_is_left_unread_is_not_made(tmp_path: Path) -> None:
    """A name that is left unread may be called with anything; no other name may."""
    path, canary = tmp_path / "m.pt", tmp_path / "canary"
    torch.save({"model": weights(), "args": argparse.Namespace(x=Evil(os.system, f"touch {canary}"))}, path)
    with pytest.raises(UnsafeModelError, match="nothing was executed"):
        read_content(path)
    torch.save({"model": weights(), "path": Evil(Path, "a", "b")}, path)
    assert read_content(path).info.notes[-1].startswith("left unread: pathlib.")
    assert not canary.exists()


def test_networks_get_their_settings_or_nothing(tmp_path: Path) -> None:
    network = nn.Sequential(nn.Linear(2, 2))
    network.args = argparse.Namespace(width=2)  # type: ignore[assignment]
    torch.save(network, tmp_path / "m.pt")
    with pytest.raises(UnsafeModelError, match=r"argparse\.Namespace"):
        read_content(tmp_path / "m.pt")


def test_more_than_there_is_memory(tmp_path: Path) -> None:
    with (tmp_path / "m.safetensors").open("wb") as file:
        file.truncate(1 << 42)  # of a file that takes no room
        file.write((50).to_bytes(8, "little") + b"{" + b" " * 60)
    with pytest.raises(ModelError, match="memory"):
        read_content(tmp_path / "m.safetensors")
    check_size(1 << 20, "m")
