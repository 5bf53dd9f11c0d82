"""Weights alone: how they are found, and the factories that they do or do not fit."""

import json
import struct
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from model_files import weights
from refusals import refused
from safetensors.torch import save_file

from propstats.auditing.loading.access import Access
from propstats.auditing.loading.load import load_model
from propstats.errors import DomainError


@pytest.mark.parametrize(
    "wrap",
    [
        lambda w: w,
        lambda w: {"state_dict": w, "epoch": 1},
        lambda w: {"model_state_dict": w, "optimizer": {"lr": 0.1}},
        lambda w: {"model_state": w},
        lambda w: {"model": {"state_dict": w, "model_args": {"width": 4}}},
        lambda w: {f"module.{key}": value for key, value in w.items()},
        lambda w: {"net": {f"model.{key}": value for key, value in w.items()}},
        lambda w: {
            "state_dict": {f"net.module.{key}": value for key, value in w.items()},
            "hyper_parameters": {"a": 1},
        },
        lambda w: {"state_dict": {f"_orig_mod.module.{key}": value for key, value in w.items()}},
    ],
)
@pytest.mark.parametrize("modern", [True, False])
def test_weights(tmp_path: Path, arch: str, wrap: Callable[[dict[str, torch.Tensor]], object], modern: bool) -> None:
    path = tmp_path / "w.pt"
    torch.save(wrap(weights()), path, _use_new_zipfile_serialization=modern)
    loaded = load_model(path, Access(arch=arch))
    assert loaded.info.format == ("torch state_dict" if modern else "torch legacy state_dict")
    assert loaded.info.parameters == 26
    assert all(torch.equal(loaded.model.state_dict()[key], value) for key, value in weights().items())
    assert not loaded.model.training
    assert str(Path.cwd()) not in sys.path
    refused(path, "holds weights only (4 tensors, 26 parameters), no network to run")


def test_safetensors(tmp_path: Path, arch: str) -> None:
    path = tmp_path / "w.pt"
    save_file(weights(), path)
    loaded = load_model(path, Access(arch=arch))
    assert loaded.info.format == "safetensors"
    assert torch.equal(loaded.model.state_dict()["2.bias"], weights()["2.bias"])
    refused(path, "(4 tensors, 26 parameters)")
    raw = path.read_bytes()
    path.write_bytes(raw[:-5])
    refused(path, "damaged or truncated", arch=arch)
    path.write_bytes(raw[:40])
    refused(path, "damaged or truncated", arch=arch)
    header = json.dumps({"w": {"dtype": "F32", "shape": [10**12], "data_offsets": [0, 4 * 10**12]}}).encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header)
    refused(path, "damaged or truncated", arch=arch)


def test_a_prefix_that_belongs_to_the_network_stays(tmp_path: Path, arch: str) -> None:
    path = tmp_path / "w.pt"
    torch.save({f"module.{key}": value for key, value in weights().items()}, path)
    assert "module.0.weight" in load_model(path, Access(arch="propstats_user_arch:wrapped")).model.state_dict()


def test_a_prefix_that_only_the_network_has(tmp_path: Path, arch: str) -> None:
    torch.save(weights(), tmp_path / "w.pt")
    model = load_model(tmp_path / "w.pt", Access(arch="propstats_user_arch:wrapped")).model
    assert torch.equal(model.state_dict()["module.0.weight"], weights()["0.weight"])


def test_a_tied_weight_need_not_be_there_twice(tmp_path: Path, arch: str) -> None:
    whole = weights() | {"4.weight": weights()["0.weight"], "4.bias": weights()["0.bias"]}
    torch.save({key: value for key, value in whole.items() if key != "4.weight"}, tmp_path / "w.pt")
    model = load_model(tmp_path / "w.pt", Access(arch="propstats_user_arch:tied")).model
    assert torch.equal(model.state_dict()["4.weight"], weights()["0.weight"])
    torch.save({key: value for key, value in whole.items() if "weight" not in key}, tmp_path / "w.pt")
    refused(tmp_path / "w.pt", "3 missing (0.weight, 2.weight, 4.weight)", arch="propstats_user_arch:tied")


def test_a_part_of_the_weights(tmp_path: Path, arch: str) -> None:
    torch.save({**weights(), "head.weight": torch.ones(2, 2), "0.bias": torch.ones(7)}, tmp_path / "w.pt")
    text = refused(
        tmp_path / "w.pt", "1 unexpected (head.weight); 1 of another shape (0.bias 7 instead of 4)", arch=arch
    )
    assert "--partial" in text
    loaded = load_model(tmp_path / "w.pt", Access(arch=arch, partial=True))
    assert torch.equal(loaded.model.state_dict()["2.weight"], weights()["2.weight"])
    assert loaded.model.state_dict()["0.bias"].shape == (4,)
    (note,) = loaded.info.notes
    assert "1 unexpected (head.weight); 1 of another shape" in note
    torch.save({"other": torch.ones(2)}, tmp_path / "w.pt")
    refused(tmp_path / "w.pt", "no weight of the file fits", Access(arch=arch, partial=True))


def test_lightning(tmp_path: Path, arch: str) -> None:
    """Its own loader imports what `_instantiator` names (CVE-2026-58659); here it is text."""
    checkpoint = {
        "pytorch-lightning_version": "2.6.0",
        "state_dict": {f"model.{key}": value for key, value in weights().items()} | {"loss.weight": torch.ones(2)},
        "hyper_parameters": {"_instantiator": "os.system", "command": "touch marker"},
        "callbacks": {},
    }
    torch.save(checkpoint, tmp_path / "last.ckpt")
    refused(tmp_path / "last.ckpt", "1 unexpected (loss.weight)", arch=arch)
    loaded = load_model(tmp_path / "last.ckpt", Access(arch=arch, partial=True))
    assert loaded.info.format == "Lightning checkpoint"
    assert not (tmp_path / "marker").exists()
    assert not Path("marker").exists()


def test_the_factory(tmp_path: Path, arch: str, capsys: pytest.CaptureFixture[str]) -> None:
    path, module = tmp_path / "w.pt", arch.partition(":")[0]
    torch.save(weights(), path)
    load_model(path, Access(arch=f"{module}:Space.make"))
    refused(path, "ModuleNotFoundError", arch="propstats_no_such_module:make")
    refused(path, "AttributeError", arch=f"{module}:absent")
    refused(path, "RuntimeError: first", arch=f"{module}:broken")
    refused(path, "SystemExit: enough", arch=f"{module}:quits")
    refused(path, "gave a int, not a module", arch=f"{module}:number")
    refused(path, "is a module, not a factory", arch=f"{module}:ready")
    refused(path, "meta device", arch=f"{module}:meta")
    for form in ("", "make", ":make", f"{module}:", f"{module}:make(", "a b:c"):
        with pytest.raises(DomainError, match=r"package\.module:factory"):
            load_model(path, Access(arch=form))
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "hello" in printed.err


def test_weights_that_do_not_fit(tmp_path: Path, arch: str) -> None:
    path = tmp_path / "w.pt"
    torch.save({**weights(), "extra\n": torch.ones(1)}, path)
    text = refused(path, "1 unexpected (extra\\n)", arch=arch)
    assert "missing" not in text
    text = refused(path, "2 missing (3.weight, 3.bias)", arch=arch.replace("make", "wide"))
    assert "3 of another shape (0.weight 4x3 instead of 5x3, 0.bias 4 instead of 5, " in text
    torch.save({f"k{i}": torch.ones(1) for i in range(11)}, path)
    refused(path, "11 unexpected (k0, k1, k2, k3, k4, k5, k6, k7, k8, k9, ...)", arch=arch)


@pytest.mark.parametrize(
    ("content", "word"),
    [
        ([1, 2], "holds a list"),
        (torch.ones(2), "holds one tensor"),
        ({}, "holds no weights that can be told from its keys (nothing)"),
        ({"epoch": 1}, "holds no weights that can be told from its keys (epoch)"),
        ({"state_dict": {}}, "holds no weights"),
        ({1: torch.ones(1)}, "not all named by text"),
    ],
)
def test_files_without_weights(tmp_path: Path, arch: str, content: object, word: str) -> None:
    torch.save(content, tmp_path / "m.pt")
    refused(tmp_path / "m.pt", word)
    refused(tmp_path / "m.pt", word, arch=arch)


def test_stride_zero_in_weights(tmp_path: Path, arch: str) -> None:
    torch.save({"w": torch.ones(1).expand(2**20, 2**20)}, tmp_path / "w.pt")
    refused(tmp_path / "w.pt", "4 are there")
    refused(tmp_path / "w.pt", "4 are there", arch=arch)
    torch.save({"w": torch.ones(1, 5).expand(1, -1)}, tmp_path / "w.pt")
    refused(tmp_path / "w.pt", "weights only (1 tensor, 5 parameters)")
