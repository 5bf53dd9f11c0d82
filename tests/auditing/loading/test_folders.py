"""Folders as Hugging Face writes them."""

import hashlib
import json
from pathlib import Path

import pytest
import torch
from model_files import Evil, weights
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
    refused(tmp_path, "is a directory without model.safetensors (there is no model file in it either")
    (tmp_path / "notes.txt").write_text("some text")
    torch.save(weights(), tmp_path / "last.pt")
    save_file(weights(), tmp_path / "lora.safetensors")
    refused(tmp_path, f"name what is in it: {tmp_path}/last.pt, {tmp_path}/lora.safetensors)")
    (tmp_path / "unet").mkdir()
    save_file(weights(), tmp_path / "unet" / "diffusion_pytorch_model.safetensors")
    refused(tmp_path, f"{tmp_path}/unet")
    (tmp_path / "saved_model.pb").touch()
    refused(tmp_path, "TensorFlow")
    (tmp_path / "latest").touch()
    (tmp_path / "global_step10").mkdir()
    refused(tmp_path, f"deepspeed.utils.zero_to_fp32 {tmp_path} merged")
    (tmp_path / ".metadata").touch()
    (tmp_path / "__0_0.distcp").touch()
    refused(tmp_path, f"dcp_to_torch {tmp_path} model.pt")


def test_pickled_weights_and_their_parts(tmp_path: Path, arch: str) -> None:
    names = list(weights())
    torch.save(weights(), tmp_path / "pytorch_model.bin")
    whole = load_model(tmp_path, Access(arch=arch))
    assert whole.info.sha256 == _sha256(tmp_path, "pytorch_model.bin")
    (tmp_path / "pytorch_model.bin").unlink()
    for part, keys in (("a.bin", names[:2]), ("b.bin", names[2:])):
        torch.save({key: weights()[key] for key in keys}, tmp_path / part)
    index = {"weight_map": {key: "a.bin" if key in names[:2] else "b.bin" for key in names}}
    (tmp_path / "pytorch_model.bin.index.json").write_text(json.dumps(index))
    parts = load_model(tmp_path, Access(arch=arch))
    for key, value in weights().items():
        assert torch.equal(whole.model.state_dict()[key], value)
        assert torch.equal(parts.model.state_dict()[key], value)
    torch.save(Evil(eval, "1"), tmp_path / "b.bin")
    refused(tmp_path, "nothing was executed", unsafe=True)
    torch.save(torch.nn.ReLU(), tmp_path / "b.bin")
    refused(tmp_path, "not a part of its weights")


@pytest.mark.parametrize(
    "part", ["../a.safetensors", "/etc/passwd", "..\\a.safetensors", "c.bin", "a\0.safetensors", "x\x1b[31m/"]
)
def test_an_index_does_not_lead_out_of_its_folder(tmp_path: Path, part: str) -> None:
    folder = _sharded(tmp_path / "s")
    save_file(weights(), tmp_path / "a.safetensors")
    (folder / INDEX).write_text(json.dumps({"weight_map": {"w": part}}))
    assert "\x1b" not in refused(folder, "which is no .safetensors file of this folder")


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
