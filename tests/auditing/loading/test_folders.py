"""Folders as Hugging Face writes them."""

import hashlib
import json
from pathlib import Path

import pytest
import torch
from model_files import weights
from refusals import refused
from safetensors.torch import save_file

from propstats.auditing.loading.access import Access
from propstats.auditing.loading.load import load_model, read_content

INDEX = "model.safetensors.index.json"


def _sharded(folder: Path) -> Path:
    folder.mkdir()
    names = list(weights())
    for part, keys in (("a.safetensors", names[:2]), ("b.safetensors", names[2:])):
        save_file({key: weights()[key] for key in keys}, folder / part)
    index = {key: "a.safetensors" if key in names[:2] else "b.safetensors" for key in names}
    (folder / INDEX).write_text(json.dumps({"metadata": {}, "weight_map": index}))
    return folder


def _sha256(folder: Path, *names: str) -> str:
    lines = [f"{hashlib.sha256((folder / name).read_bytes()).hexdigest()}  {name}\n" for name in names]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def test_one_file_and_several(tmp_path: Path, arch: str) -> None:
    single = tmp_path / "single"
    single.mkdir()
    save_file(weights(), single / "model.safetensors")
    for folder, parts in (
        (single, ["model.safetensors"]),
        (_sharded(tmp_path / "s"), ["a.safetensors", "b.safetensors"]),
    ):
        loaded = load_model(folder, Access(arch=arch))
        assert loaded.info.format == "Hugging Face folder"
        assert loaded.info.sha256 == _sha256(folder, *parts)
        assert all(torch.equal(loaded.model.state_dict()[key], value) for key, value in weights().items())
        assert f"--arch hf:{folder}" in refused(folder, "weights only (4 tensors, 26 parameters)")


def test_folders_without_a_model(tmp_path: Path) -> None:
    refused(tmp_path, "is a directory without model.safetensors")
    (tmp_path / "pytorch_model.bin").touch()
    refused(tmp_path, "pytorch_model.bin")
    (tmp_path / "saved_model.pb").touch()
    refused(tmp_path, "TensorFlow")
    (tmp_path / ".metadata").touch()
    (tmp_path / "__0_0.distcp").touch()
    refused(tmp_path, "dcp_to_torch")


@pytest.mark.parametrize(
    "part", ["../a.safetensors", "/etc/passwd", "..\\a.safetensors", "c.bin", "a\0.safetensors", "x\x1b[31m/"]
)
def test_an_index_does_not_lead_out_of_its_folder(tmp_path: Path, part: str) -> None:
    folder = _sharded(tmp_path / "s")
    save_file(weights(), tmp_path / "a.safetensors")
    (folder / INDEX).write_text(json.dumps({"weight_map": {"w": part}}))
    assert "\x1b" not in refused(folder, "which is no safetensors file of this folder")


def test_damaged_folders(tmp_path: Path) -> None:
    folder = _sharded(tmp_path / "s")
    for text in ("", "[]", "{}", '{"weight_map": 3}', '{"weight_map": {}}', '{"weight_map": {"a": 3}}', "[" * 100_000):
        (folder / INDEX).write_text(text)
        refused(folder, f"{INDEX} cannot be read")
    (folder / INDEX).write_text(json.dumps({"weight_map": {"absent": "a.safetensors"}}))
    refused(folder, "1 tensors of the index are in no part (absent")
    (folder / INDEX).write_text(json.dumps({"weight_map": {"a": "missing.safetensors"}}))
    refused(folder, "no such file")
    (folder / INDEX).write_text(json.dumps({"weight_map": {"a": "a.safetensors", "b": "b.safetensors"}}))
    save_file({next(iter(weights())): torch.ones(1)}, folder / "b.safetensors")
    refused(folder, "is in two parts")
    torch.save(weights(), folder / "b.safetensors")
    refused(folder, "is no safetensors file")


def test_weights_alone(tmp_path: Path) -> None:
    content = read_content(_sharded(tmp_path / "s")).content
    assert isinstance(content, dict)
    assert content.keys() == weights().keys()
