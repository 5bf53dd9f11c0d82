import gzip
import tempfile
from pathlib import Path

import numpy as np
import pytest
from data_files import idx, write, write_idx_pair
from data_refusals import refused_data, survives
from hypothesis import given
from hypothesis import strategies as st

from propstats.auditing.data.idx import load_idx
from propstats.auditing.data.load import load_data

IMAGES = np.random.default_rng(0).integers(0, 256, size=(6, 4, 5), dtype=np.uint8)
LABELS = np.array([3, 1, 4, 1, 5, 9], dtype=np.uint8)


@pytest.mark.parametrize("packed", [False, True])
def test_images_and_the_labels_next_to_them(tmp_path: Path, packed: bool) -> None:
    write_idx_pair(tmp_path, "t10k", IMAGES, LABELS, packed=packed)
    data = load_data(str(tmp_path / f"t10k-images-idx3-ubyte{'.gz' if packed else ''}"))
    assert data.shape == (1, 4, 5)
    assert data.inputs[:, 0].tolist() == IMAGES.tolist()
    assert data.labels is not None
    assert data.labels.tolist() == LABELS.tolist()


@given(
    st.sampled_from(["uint8", "int8", "int16", "int32", "float32", "float64"]),
    st.lists(st.integers(1, 4), min_size=1, max_size=5),
)
def test_round_trip(dtype: str, shape: list[int]) -> None:
    values = np.arange(np.prod(shape)).reshape(shape).astype(dtype)
    with tempfile.TemporaryDirectory() as folder:
        found = load_idx(write(Path(folder) / "a", idx(values)), "a")
    assert found.shape == tuple(shape)
    assert found.tolist() == values.tolist()


def test_refusals(tmp_path: Path) -> None:
    raw = idx(IMAGES)
    path = tmp_path / "a"
    for content in (raw[:-1], raw + b"\0", raw[:10], gzip.compress(raw)[:-9], gzip.compress(raw[:-1])):
        refused_data(write(path, content), "damaged or truncated")
    refused_data(write(path, idx(LABELS)), "1 dimensions")
    refused_data(write(path, idx(IMAGES[:0])), "no samples")
    claim = bytes([0, 0, 14, 3]) + np.array([1 << 30, 1 << 10, 1 << 10], dtype=">u4").tobytes()
    refused_data(write(path, claim), "at most")
    refused_data(write(path, gzip.compress(claim)), "at most")
    bomb = bytes([0, 0, 8, 2]) + np.array([2, 3], dtype=">u4").tobytes() + bytes(50_000_000)
    refused_data(write(path, gzip.compress(bomb)), "damaged")
    write_idx_pair(tmp_path, "t10k", IMAGES, LABELS[:4])
    refused_data(tmp_path / "t10k-images-idx3-ubyte.gz", "not 6 class numbers")


def test_damage(tmp_path: Path) -> None:
    path = tmp_path / "a"
    for raw in (idx(IMAGES), gzip.compress(idx(IMAGES))):
        survives(raw, path, tries=100, seed=2)
