import io
import math
import pickle
import tempfile
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from data_refusals import refused_data, survives
from hypothesis import given
from hypothesis import strategies as st

from propstats.auditing.data.load import load_data

X = torch.arange(12.0).reshape(4, 3)
Y = torch.tensor([0, 1, 2, 1])
TYPES = [torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.uint8, torch.int64, torch.bool]


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("content", [X, (X, Y), [X, Y], {"x": X, "y": Y}, {"epoch": 3, "images": X, "labels": Y}])
def test_torch_files(tmp_path: Path, content: object, legacy: bool) -> None:
    path = tmp_path / "data.anything"
    torch.save(content, path, _use_new_zipfile_serialization=not legacy)
    data = load_data(str(path))
    assert torch.equal(data.inputs, X)
    if not isinstance(content, torch.Tensor):
        assert data.labels is not None
        assert torch.equal(data.labels, Y)


def test_safetensors(tmp_path: Path) -> None:
    path = tmp_path / "data.bin"
    safetensors.torch.save_file({"labels": Y, "inputs": X}, path)
    data = load_data(str(path), samples=2)
    assert data.inputs.shape == (2, 3)
    assert data.labels is not None


def test_a_file_far_larger_than_memory(tmp_path: Path) -> None:
    path, shape = tmp_path / "large.npy", (1 << 30, 64)
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "<f4", "fortran_order": False, "shape": shape})
        file.truncate(file.tell() + 4 * math.prod(shape))  # it takes no room
    data = load_data(str(path), samples=300)
    assert data.inputs.shape == (300, 64)
    assert data.sha256 is None
    assert "its 275 GB were not hashed" in data.notes


@given(st.sampled_from(TYPES), st.lists(st.integers(1, 4), min_size=2, max_size=4))
def test_round_trip(dtype: torch.dtype, shape: list[int]) -> None:
    values = (torch.arange(torch.Size(shape).numel()).reshape(shape) % 2).to(dtype)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "t.pt"
        torch.save(values, path)
        found = load_data(str(path)).inputs
    assert found.dtype == (torch.int64 if dtype == torch.int64 else torch.float32)
    assert torch.equal(found.double(), values.double())


class Gadget:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        import os

        return os.system, ("touch /tmp/propstats-was-executed",)


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (Gadget(), "nothing was executed"),
        ({"x": Gadget()}, "nothing was executed"),
        (3, "holds a int"),
        ([X, X, Y], "a list of 3"),
        ({}, "no tensors"),
        ({"a": 3}, "no tensors"),
        ({"y": Y}, "no inputs"),
        (torch.ones(3), "1 dimensions"),
        (torch.ones(0, 3), "no samples"),
        (torch.zeros(1).expand(2**20, 2**20), "not an honest file"),
        (torch.ones(2, 2).to_sparse(), "sparse"),
        (torch.ones(2, 2, dtype=torch.complex64), "complex"),
        ((X, Y[:3]), "not 4 class numbers"),
        ((X, Y.float()), "not 4 class numbers"),
        (X * torch.nan, "not one value is finite"),
    ],
)
def test_refusals(tmp_path: Path, content: object, word: str) -> None:
    path = tmp_path / "data.pt"
    torch.save(content, path)
    refused_data(path, word)


def test_plain_pickles_and_modules(tmp_path: Path) -> None:
    path = tmp_path / "data.pt"
    path.write_bytes(pickle.dumps([1.0, 2.0], protocol=4))
    refused_data(path, "nothing was executed")
    torch.save(torch.nn.Linear(2, 2), path)
    refused_data(path, "nothing was executed")
    safetensors.torch.save_file({"x": torch.ones(4)}, path)
    refused_data(path, "1 dimensions")


def test_damage(tmp_path: Path) -> None:
    path = tmp_path / "data.pt"
    buffer, legacy = io.BytesIO(), io.BytesIO()
    torch.save({"x": X, "y": Y}, buffer)
    torch.save({"x": X, "y": Y}, legacy, _use_new_zipfile_serialization=False)
    for raw in (buffer.getvalue(), legacy.getvalue(), safetensors.torch.save({"x": X, "y": Y})):
        survives(raw, path, tries=60, seed=1)
