"""Damaged files are refused in one line, whatever is wrong with them."""

import io
import zipfile
from collections import OrderedDict
from pathlib import Path

import numpy as np
import torch
from model_files import rezip, small, weights
from refusals import refused
from safetensors.torch import save_file

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


def test_mutations_raise_nothing_else(tmp_path: Path, arch: str) -> None:
    rng = np.random.default_rng(20)
    sources: list[tuple[bytes, str | None]] = []
    for content, factory in ((weights(), arch), (small(), None)):
        buffer = io.BytesIO()
        torch.save(content, buffer)
        sources.append((buffer.getvalue(), factory))
    buffer = io.BytesIO()
    torch.save(OrderedDict(weights()), buffer, _use_new_zipfile_serialization=False)
    sources.append((buffer.getvalue(), arch))
    save_file(weights(), tmp_path / "w.safetensors")
    sources.append(((tmp_path / "w.safetensors").read_bytes(), arch))

    def mutate(raw: bytes) -> bytes:
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

    path, outcomes, lines = tmp_path / "m.pt", {True: 0, False: 0}, [1]

    def attempt(factory: str | None) -> None:
        try:
            load_model(path, Access(arch=factory))
            outcomes[True] += 1
        except PropstatsError as error:
            outcomes[False] += 1
            lines.append(len(str(error).splitlines()))

    for raw, factory in sources:
        for _ in range(300):
            path.write_bytes(mutate(raw))
            attempt(factory)
        if raw.startswith(b"PK"):
            for _ in range(150):  # and past the checksums
                path.write_bytes(raw)
                rezip(path, mutate)
                attempt(factory)
    assert outcomes[True] > 0
    assert outcomes[False] > 500
    assert set(lines) == {1}
