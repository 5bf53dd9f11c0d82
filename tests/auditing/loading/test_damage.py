"""Damaged files are refused in one line, whatever is wrong with them."""

import io
import zipfile
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch
from model_files import rezip, save_exported, save_scripted, small, weights
from normprop_layers import every_layer
from refusals import refused
from safetensors.torch import save_file
from torch import nn

from propstats.auditing.loading.access import Access
from propstats.auditing.loading.load import load_model
from propstats.errors import PropstatsError


def test_sundry_refusals(tmp_path: Path) -> None:
    path = tmp_path / "m.pt"
    refused(path, "no such file")
    refused(tmp_path, "directory")
    path.write_text("<html></html>")
    refused(path, "web page")
    torch.save(weights(), path)
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("m/data/99", b"\0" * 10_000_000)
    refused(path, "compressed")
    torch.save(weights(), path)
    raw = bytearray(path.read_bytes())
    raw[raw.index(weights()["0.weight"].numpy().tobytes()) + 3] ^= 4
    path.write_bytes(raw)
    refused(path, "checksum")
    torch.save(weights(), path)
    refused(rezip(path, lambda data: data[: len(data) // 2], entry="data/0"), "torch cannot read it")
    path.write_bytes(b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.")
    refused(path, "its pickle is damaged")


def _sources(tmp_path: Path, arch: str) -> list[tuple[bytes, Access]]:
    factory = Access(arch=arch)
    found = []
    for content, access, modern in (
        (weights(), factory, True),
        (OrderedDict(weights()), factory, False),
        (small(), Access(), True),
        (nn.Sequential(*every_layer()), Access(), True),
    ):
        buffer = io.BytesIO()
        torch.save(content, buffer, _use_new_zipfile_serialization=modern)
        found.append((buffer.getvalue(), access))
    save_file(weights(), tmp_path / "w.safetensors")
    found.append(((tmp_path / "w.safetensors").read_bytes(), factory))
    return found


def _mutate(raw: bytes, rng: np.random.Generator) -> bytes:
    changed = bytearray(raw)
    for _ in range(rng.integers(1, 5)):
        place = int(rng.integers(len(changed)))
        kind = rng.integers(8)
        if kind == 0 and len(changed) > 2:
            del changed[max(place, 1) :]
        elif kind == 1:
            other = int(rng.integers(len(raw)))
            changed[place : place + 16] = raw[other : other + int(rng.integers(32))]
            changed = changed or bytearray(b"\0")
        else:
            changed[place] ^= 1 << int(rng.integers(8))
    return bytes(changed)


def _attempts(tmp_path: Path, sources: list[tuple[bytes, Access]], count: int) -> tuple[int, int]:
    """Load mutated files, half of the zips with checksums that are right again; return how many loaded and not."""
    rng = np.random.default_rng(20)
    path, loaded = tmp_path / "m.pt", 0
    for number in range(count):
        raw, access = sources[number % len(sources)]
        if raw.startswith(b"PK") and number // len(sources) % 2:
            path.write_bytes(raw)
            rezip(path, lambda data: _mutate(data, rng))
        else:
            path.write_bytes(_mutate(raw, rng))
        try:
            load_model(path, access)
            loaded += 1
        except PropstatsError as error:
            if len(str(error).splitlines()) != 1:
                raise AssertionError(f"{number}: not one line") from error
    return loaded, count - loaded


def test_mutations_raise_nothing_else(tmp_path: Path, arch: str) -> None:
    loaded, refused_ = _attempts(tmp_path, _sources(tmp_path, arch), 500)
    assert loaded > 0
    assert refused_ > 300


@pytest.mark.slow
def test_ten_thousand_mutations(tmp_path: Path, arch: str) -> None:
    assert sum(_attempts(tmp_path, _sources(tmp_path, arch), 10_000)) == 10_000


@pytest.mark.slow
def test_mutated_programs(tmp_path: Path) -> None:
    sources = []
    for save in (save_exported, save_scripted):
        save(tmp_path / "p.bin")
        sources.append(((tmp_path / "p.bin").read_bytes(), Access(trust=True)))
    assert sum(_attempts(tmp_path, sources, 400)) == 400
