"""Weights out of files, with a unit in each row."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from propstats.auditing.loading.access import Access
from propstats.auditing.matrices import Matrix, read_matrices
from propstats.errors import DataError, ModelError, PropstatsError, UnsafeModelError


def _network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(2, 6, 3, groups=2), nn.ReLU(), nn.ConvTranspose1d(6, 4, 3, groups=2), nn.BatchNorm1d(4),
        nn.Linear(5, 3), nn.Embedding(7, 5),
    )  # fmt: skip


def _save(module: object, path: Path) -> Path:
    torch.save(module, path)
    return path


def test_a_network(tmp_path: Path) -> None:
    network = _network()
    matrices = read_matrices(_save(network, tmp_path / "m.pt"))
    assert [(m.name, m.kind, m.groups) for m in matrices.found] == [
        ("0.weight", "Conv2d", 2), ("2.weight", "ConvTranspose1d", 2), ("4.weight", "Linear", 1),
    ]  # fmt: skip
    assert [skipped.name for skipped in matrices.skipped] == ["5.weight"]
    assert matrices.model.format == "torch module"
    assert matrices.model.parameters == sum(p.numel() for p in network.parameters())


def test_rows_of_a_transposed_convolution_are_what_reaches_an_output(tmp_path: Path) -> None:
    """Each row against the layer itself: the response of one output to white noise has its row's energy."""
    module = nn.ConvTranspose2d(6, 4, 3, groups=2, bias=False).double()
    (matrix,) = read_matrices(_save(nn.Sequential(module), tmp_path / "m.pt")).found
    assert tuple(matrix.rows.shape) == (4, 27)
    # An input of ones at a single position of channel c gives outputs the taps w[c, o]: collect them by output.
    for channel in range(6):
        x = torch.zeros(1, 6, 1, 1, dtype=torch.float64)
        x[0, channel] = 1.0
        y = module(x)[0].detach()  # (4, 3, 3)
        group, inside = divmod(channel, 3)
        for output in range(4):
            taps = matrix.rows[output].reshape(3, 9)[inside] if output // 2 == group else torch.zeros(9).double()
            assert torch.equal(y[output].flatten(), taps)


@pytest.mark.parametrize("kind", ["state_dict", "checkpoint", "safetensors"])
def test_weights_alone(tmp_path: Path, kind: str) -> None:
    state = _network().state_dict()
    path = tmp_path / "weights"
    if kind == "safetensors":
        save_file(state, path)
    else:
        _save(state if kind == "state_dict" else {"epoch": 3, "state_dict": state}, path)
    matrices = read_matrices(path)
    assert {m.name for m in matrices.found} == {"0.weight", "2.weight", "4.weight", "5.weight"}
    assert all(m.kind == "weight" and m.groups == 1 and m.module is None for m in matrices.found)


@pytest.mark.parametrize("dtype", ["<f4", ">f8", "<f2", "<i4", "?"])
def test_an_array(tmp_path: Path, dtype: str) -> None:
    values = np.arange(24).reshape(2, 3, 2, 2).astype(dtype)
    np.save(tmp_path / "w.npy", values)
    matrices = read_matrices(tmp_path / "w.npy")
    (matrix,) = matrices.found
    assert (matrix.shape, tuple(matrix.rows.shape), matrices.model.format) == ((2, 3, 2, 2), (2, 12), "array")
    assert np.array_equal(matrix.rows.numpy(), values.reshape(2, 12).astype(np.float64))


def test_shared_weights_come_once_and_integers_not_at_all(tmp_path: Path) -> None:
    shared = nn.Linear(4, 4)
    assert len(read_matrices(_save(nn.Sequential(shared, nn.ReLU(), shared), tmp_path / "m.pt")).found) == 1
    state = {"w": torch.ones(2, 2), "ids": torch.ones(2, 2, dtype=torch.int64), "none": torch.ones(0, 2)}
    matrices = read_matrices(_save(state, tmp_path / "s.pt"))
    assert [m.name for m in matrices.found] == ["w"]
    assert {skipped.name: skipped.reason for skipped in matrices.skipped} == {
        "ids": "holds int64 values, not weights",
        "none": "is empty",
    }


def _tampered() -> nn.Module:
    module = nn.Sequential(nn.Conv1d(2, 4, 3))
    module[0].groups = 3  # type: ignore[assignment]
    return module


@pytest.mark.parametrize(
    ("content", "error", "message"),
    [
        ({"bias": torch.ones(3)}, ModelError, "holds no matrix of weights"),
        (nn.Sequential(nn.ReLU()), ModelError, "holds no matrix of weights"),
        (_tampered(), ModelError, "settings do not fit their weights"),
        (print, UnsafeModelError, "nothing was executed"),
    ],
)
def test_refusals(tmp_path: Path, content: object, error: type[PropstatsError], message: str) -> None:
    with pytest.raises(error) as caught:
        read_matrices(_save(content, tmp_path / "m.pt"))
    assert message in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(ModelError):
        read_matrices(tmp_path / "missing.npy")
    np.save(tmp_path / "flat.npy", np.ones(3))
    with pytest.raises(DataError, match="1 dimensions"):
        read_matrices(tmp_path / "flat.npy")
    np.save(tmp_path / "w.npy", np.ones((3, 3)))
    with pytest.raises(ModelError, match="an array needs no network"):
        read_matrices(tmp_path / "w.npy", Access(arch="a:b"))


def test_matrix_is_a_plain_record() -> None:
    rows = torch.ones(2, 3)
    assert Matrix("w", "weight", (2, 3), rows).rows is rows
