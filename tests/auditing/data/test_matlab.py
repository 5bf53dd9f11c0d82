from pathlib import Path

import numpy as np
import pytest
from data_refusals import refused_data, survives
from scipy import io

from propstats.auditing.data.load import load_data

X = np.random.default_rng(0).integers(0, 256, size=(4, 5, 3, 6), dtype=np.uint8)
Y = np.array([[10], [1], [2], [9], [10], [3]], dtype=np.uint8)


@pytest.mark.parametrize("packed", [False, True])
def test_house_numbers(tmp_path: Path, packed: bool) -> None:
    path = tmp_path / "a.mat"
    io.savemat(path, {"X": X, "y": Y}, do_compression=packed)
    data = load_data(str(path))
    assert data.shape == (3, 4, 5)
    assert data.inputs.tolist() == X.transpose(3, 2, 0, 1).tolist()
    assert data.labels is not None
    assert data.labels.tolist() == [0, 1, 2, 9, 0, 3]


def test_other_arrays(tmp_path: Path) -> None:
    path = tmp_path / "a.mat"
    io.savemat(path, {"X": np.ones((6, 2)), "y": np.arange(6.0)[:, None]})
    data = load_data(str(path))
    assert data.shape == (2,)
    assert data.labels is not None
    assert data.labels.tolist() == list(range(6))


@pytest.mark.parametrize(
    ("content", "word"),
    [
        ({"Z": X}, "no array X"),
        ({"X": np.array([1, "a"], dtype=object)}, "X is a cell"),
        ({"X": {"a": 1}}, "X is a struct"),
        ({"X": "text"}, "X is a char"),
        ({"X": np.ones((2, 2)) * 1j}, "complex"),
        ({"X": X, "y": Y[:3]}, "not 6 class numbers"),
        ({"X": X, "y": np.full((6, 1), 0.5)}, "not 6 class numbers"),
    ],
)
def test_refusals(tmp_path: Path, content: dict[str, object], word: str) -> None:
    path = tmp_path / "a.mat"
    io.savemat(path, content)
    refused_data(path, word)


def test_what_it_claims_is_looked_at_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.mat"
    io.savemat(path, {"X": X})
    monkeypatch.setattr(io, "whosmat", lambda name: [("X", (1 << 20, 1 << 20), "double")])
    refused_data(path, "at most")


def test_damage(tmp_path: Path) -> None:
    path = tmp_path / "a.mat"
    io.savemat(path, {"X": X, "y": Y}, do_compression=True)
    survives(path.read_bytes(), path, tries=60, seed=7)
