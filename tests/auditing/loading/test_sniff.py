import io
import json
import os
import struct
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from propstats.auditing.loading import archive as archive_module
from propstats.auditing.loading.archive import check_zip
from propstats.auditing.loading.sniff import open_regular, sniff
from propstats.errors import ModelError


def _zip(path: Path, entries: list[tuple[str, bytes]], compression: int = zipfile.ZIP_STORED) -> Path:
    with warnings.catch_warnings(), zipfile.ZipFile(path, "w", compression) as archive:
        warnings.simplefilter("ignore")
        for name, content in entries:
            archive.writestr(name, content)
    return path


def _saved(path: Path) -> Path:
    torch.save({"w": torch.arange(200.0)}, path)
    return path


def _check(path: Path) -> None:
    with open_regular(path) as file:
        check_zip(file, name=path.name)


def _inspect(path: Path) -> None:
    if sniff(path).kind == "torch zip":
        _check(path)


def _refused(path: Path, word: str) -> None:
    with pytest.raises(ModelError) as caught:
        _inspect(path)
    assert word in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_kinds_do_not_depend_on_the_suffix(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    assert sniff(_saved(path)).kind == "torch zip"
    torch.save({"w": torch.ones(2)}, path, _use_new_zipfile_serialization=False)
    assert sniff(path).kind == "torch legacy"
    path.write_bytes(b"\x80\x04\x95\x05\x00\x00\x00\x00\x00\x00\x00K\x01.")
    assert sniff(path).kind == "pickle"
    header = json.dumps({}).encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header)
    assert sniff(path).kind == "safetensors"
    assert sniff(_zip(path, [("m/data.pkl", b"."), ("m/constants.pkl", b".")])).kind == "torchscript"
    assert sniff(_zip(path, [("m/archive_format", b"pt2"), ("m/models/model.json", b"{}")])).kind == "torch export"


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (b"", "empty"),
        (b"\n<!DOCTYPE html><html></html>", "web page"),
        (b"hello world\n", "text file"),
        ("caf\u00e9\n".encode() * 1000, "text file"),
        (b'{"weights": [1]}', "text file"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git-lfs"),
        (b"\x1f\x8b\x08\x00", "gzip"),
        (b"\x93NUMPY\x01\x00", "NumPy array"),
        (b"\x89HDF\r\n\x1a\n", "HDF5"),
        (b"GGUF\x03\x00\x00\x00", "GGUF"),
        (b"\x08\x07\x12\x07pytorch\xff", "ONNX"),
        (b"\x00\xff\x12\x99" * 20, "not a model file of a known kind"),
        (b"\x80", "not a model file of a known kind"),
        (b"Repository Not Found for url", "text file, not a model (Repository Not Found for url)"),
        (bytes(2000), "nothing but zeros"),
        (b"\x1c\x00\x00\x00TFL3", "program of TensorFlow Lite"),
        (b"\x89PNG\r\n\x1a\n", "is an image"),
        (b"PK\x03\x04" + b"\x00" * 60, "truncated"),
        (b"PK\x05\x06" + b"\x00" * 18, "empty zip"),
        (struct.pack("<Q", 1 << 40) + b'{"w": 1}', "header claims"),
        (struct.pack("<Q", 90) + b'{"w": 1}', "header claims"),
    ],
)
def test_named_refusals(tmp_path: Path, content: bytes, word: str) -> None:
    path = tmp_path / "model.pt"
    path.write_bytes(content)
    _refused(path, word)


def test_what_is_no_regular_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    _refused(tmp_path, "directory")
    _refused(tmp_path / "absent.pt", "no such file")
    _refused(Path("-"), "standard input")
    _refused(Path("https://example.org/m.pt"), "curl -LO")
    _refused(Path("hf://google/bert"), "hf download")
    _refused(Path("google/bert-base"), "hf download google/bert-base")
    (tmp_path / "link.pt").symlink_to("nowhere.pt")
    _refused(tmp_path / "link.pt", "is a link to nowhere.pt")
    _refused(tmp_path / "pipe", "not a regular file")
    _refused(Path("/dev/null"), "not a regular file")
    _refused(Path("a\0b"), "cannot be read")
    _refused(_saved(tmp_path / "m.pt") / "inside", "cannot be read")


def test_a_name_with_line_breaks_stays_printable(tmp_path: Path) -> None:
    _refused(tmp_path / "a\n\x1b[31mb.pt", r"a\n\x1b[31mb.pt")


def test_zips_that_are_no_models(tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    np.savez(path.with_suffix(".npz"), np.ones(3))
    _refused(path.with_suffix(".npz"), "NumPy arrays")
    _refused(_zip(path, [("config.json", b"{}")]), "unpack it and name the model file in it: config.json")
    _refused(_zip(path, [("m/version", b"3"), ("m/byteorder", b"little")]), "half-way")


def test_traps_in_a_zip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "model.pt"
    data = ("m/data.pkl", b"\x80\x02}.")
    _check(_zip(path, [data, ("m/data/0", b"\0" * 1000)]))
    _refused(_zip(path, [data, data]), "same name")
    _refused(_zip(path, [data, ("m/data/0", b"\0" * 10_000_000)], zipfile.ZIP_DEFLATED), "compressed")
    # Whoever looks without regard to case would find another one than whoever looks with it.
    _refused(_zip(path, [data, ("m/DATA.pkl", b".")]), "same name")
    with zipfile.ZipFile(_zip(path, [data]), "a") as archive:
        archive.comment = b"hello"
    _refused(path, "comment")
    monkeypatch.setattr(archive_module, "MAX_ENTRIES", 100)
    _refused(_zip(path, [data, *((f"m/{i}", b"") for i in range(100))]), "101 zip entries; at most 100")


def test_entries_that_overlap_are_a_bomb(tmp_path: Path) -> None:
    path = _zip(tmp_path / "model.pt", [("m/data.pkl", b"\x80\x02}.")])
    buffer = io.BytesIO(path.read_bytes())
    with zipfile.ZipFile(buffer, "a") as archive:
        archive.writestr("m/data/0", b"\0" * 100_000)
        big = archive.getinfo("m/data/0")
        for index in range(1, 20):
            twin = zipfile.ZipInfo(f"m/data/{index}")
            twin.header_offset, twin.CRC = big.header_offset, big.CRC
            twin.file_size = twin.compress_size = big.file_size
            archive.filelist.append(twin)
    path.write_bytes(buffer.getvalue())
    _refused(path, "unpacks to")


def test_an_encrypted_entry(tmp_path: Path) -> None:
    path = _zip(tmp_path / "model.pt", [("m/data.pkl", b"\x80\x02}.")])
    raw = bytearray(path.read_bytes())
    raw[raw.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(raw)
    _refused(path, "encrypted")


def test_every_truncation_is_noticed(tmp_path: Path) -> None:
    raw = _saved(tmp_path / "whole.pt").read_bytes()
    path = tmp_path / "model.pt"
    for length in [*range(0, len(raw) - 1, 37), len(raw) - 1]:
        path.write_bytes(raw[:length])
        with pytest.raises(ModelError):
            _inspect(path)


def test_a_flipped_bit_in_the_weights_is_noticed(tmp_path: Path) -> None:
    path = _saved(tmp_path / "model.pt")
    raw = bytearray(path.read_bytes())
    raw[raw.index(struct.pack("<f", 123.0))] ^= 1
    path.write_bytes(raw)
    assert torch.load(path, weights_only=True)["w"].shape == (200,)
    _refused(path, "checksum")
