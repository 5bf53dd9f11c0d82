import io
import zipfile
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch

from propstats.auditing.data import arrays
from propstats.auditing.data.load import load_data
from propstats.errors import DataError, DomainError, PropstatsError, UnknownNameError


def _refused(name: str, word: str, kind: type[PropstatsError] = DataError) -> None:
    with pytest.raises(kind) as caught:
        load_data(name)
    assert word in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def _npy(path: Path, values: npt.NDArray[np.generic]) -> str:
    with path.open("wb") as file:
        np.save(file, values)
    return str(path)


def test_digits() -> None:
    raw = load_data("digits", normalize="none")
    assert raw.inputs.shape == (1797, 1, 8, 8)
    assert raw.inputs.dtype == torch.float32
    assert (raw.inputs.min().item(), raw.inputs.max().item()) == (0.0, 16.0)
    assert raw.labels is not None
    assert raw.labels.dtype == torch.int64
    assert torch.bincount(raw.labels).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    default = load_data("digits")
    assert default.normalization == "global"
    assert default.sha256 == raw.sha256
    assert abs(default.inputs.double().mean().item()) < 1e-6
    assert abs(default.inputs.double().std(correction=0).item() - 1) < 1e-6


def test_digits_that_were_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrays, "_DIGITS_SHA256", "0" * 64)
    _refused("digits", "were changed")


def test_gaussian() -> None:
    data = load_data("gaussian:3x4x5")
    assert data.inputs.shape == (1000, 3, 4, 5)
    assert data.labels is None
    assert torch.equal(data.inputs, load_data("gaussian:3x4x5").inputs)
    assert abs(data.inputs.mean().item()) < 5 / 60_000**0.5
    assert data.sha256 != load_data("gaussian:5x4x3").sha256


@pytest.mark.parametrize("name", ["gaussian", "gaussian:", "gaussian:0", "gaussian:3x", "gaussian:-3", "gaussian:3.5"])
def test_noise_without_a_shape(name: str) -> None:
    _refused(name, "no shape", DomainError)


def test_noise_that_is_too_large() -> None:
    _refused("gaussian:1000x1000", "too large", DomainError)
    _refused("gaussian:" + "x".join(["999999999"] * 8), "too large", DomainError)


def test_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    _refused("digit", "did you mean digits", UnknownNameError)
    _refused("absent.npy", "no such file")
    _refused("some/where", "no such file")
    _refused(str(tmp_path), "folder without images")
    _refused("a\0.npy", "cannot be read")
    np.save("digits", np.ones((2, 3)))
    Path("digits.npy").rename("digits")
    Path("digits").rename("mydata")
    assert load_data("mydata").inputs.shape == (2, 3)
    Path("mydata").rename("digits")
    assert len(load_data("digits").inputs) == 1797
    assert len(load_data("./digits").inputs) == 2


@pytest.mark.parametrize(
    "dtype", ["uint8", "int8", "int32", "uint64", "bool", "float16", "float32", "float64", ">f4", ">i2"]
)
def test_numbers_become_float32(tmp_path: Path, dtype: str) -> None:
    values = np.arange(12).reshape(4, 3).astype(dtype)
    data = load_data(_npy(tmp_path / "data.txt", values))
    assert data.inputs.dtype == torch.float32
    assert data.inputs.tolist() == values.astype(float).tolist()
    assert data.normalization == "none"


@pytest.mark.parametrize("dtype", ["<i8", ">i8"])
def test_tokens_stay_integers(tmp_path: Path, dtype: str) -> None:
    name = _npy(tmp_path / "tokens.npy", np.array([[1, 2**40]], dtype=dtype))
    assert load_data(name).inputs.tolist() == [[1, 2**40]]
    assert load_data(name).inputs.dtype == torch.int64
    with pytest.raises(DataError, match="tokens"):
        load_data(name, normalize="global")


def test_fortran_order_and_the_hash(tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(size=(5, 3))
    one = load_data(_npy(tmp_path / "a.npy", values))
    other = load_data(_npy(tmp_path / "b.npy", np.asfortranarray(values)))
    assert one.sha256 == other.sha256
    assert torch.equal(one.inputs, other.inputs)
    assert one.sha256 != load_data(_npy(tmp_path / "c.npy", values.reshape(3, 5))).sha256


def test_values_that_are_not_finite_are_kept(tmp_path: Path) -> None:
    name = _npy(tmp_path / "a.npy", np.array([[1.0, np.nan], [3.0, np.inf], [np.nan, 7.0], [1e300, 7.0]]))
    assert load_data(name).inputs.isfinite().sum().item() == 4
    values = np.array([[1.0, np.nan, 2.0], [3.0, np.inf, 2.0]])
    data = load_data(_npy(tmp_path / "b.npy", values), normalize="feature").inputs
    assert data[:, 0].tolist() == [-1.0, 1.0]
    assert not data[:, 1].isfinite().any()
    assert data[:, 2].tolist() == [0.0, 0.0]


def test_normalisations_against_numpy(tmp_path: Path) -> None:
    values = np.random.default_rng(1).normal(1e4, 3.0, size=(500, 7))
    values[:, 3] = 0.1
    name = _npy(tmp_path / "a.npy", values)
    glob = (values - values.mean()) / values.std()
    assert np.allclose(load_data(name, normalize="global").inputs.numpy(), glob, atol=1e-5)
    moving = np.delete(np.arange(7), 3)
    feature = load_data(name, normalize="feature")
    expected = (values[:, moving] - values[:, moving].mean(0)) / values[:, moving].std(0)
    assert np.allclose(feature.inputs.numpy()[:, moving], expected, atol=1e-5)
    assert not feature.inputs[:, 3].any()
    assert feature.normalization == "feature"


def test_unknown_normalisation() -> None:
    with pytest.raises(DomainError, match="none, global, feature, batch"):
        load_data("digits", normalize="zca")


@pytest.mark.parametrize(
    ("values", "word"),
    [
        (np.zeros((0, 3)), "no samples"),
        (np.zeros((3, 0)), "no samples"),
        (np.zeros(5), "1 dimensions"),
        (np.array(5.0), "0 dimensions"),
        (np.zeros((2, 2), dtype=complex), "complex"),
        (np.array([["a", "b"]]), "not real numbers"),
        (np.array([[b"a"]]), "not real numbers"),
        (np.zeros((2, 2), dtype=[("a\n", "f4")]), "not real numbers"),
        (np.zeros((2, 2), dtype="M8[s]"), "not real numbers"),
        (np.array([[None, {}]], dtype=object), "Python objects"),
    ],
)
def test_arrays_that_are_no_data(tmp_path: Path, values: npt.NDArray[np.generic], word: str) -> None:
    _refused(_npy(tmp_path / "data.npy", values), word)
    np.savez(tmp_path / "data.npz", x=values)
    _refused(str(tmp_path / "data.npz"), word)


def test_npz(tmp_path: Path) -> None:
    path = tmp_path / "data.npz"
    images, labels = np.ones((4, 3), dtype=np.uint8), np.array([[0], [1], [2], [1]], dtype=np.uint8)
    np.savez_compressed(path, labels=labels, images=images)
    data = load_data(str(path))
    assert data.inputs.shape == (4, 3)
    assert data.labels is not None
    assert data.labels.tolist() == [0, 1, 2, 1]
    np.savez(path, images)
    assert load_data(str(path)).labels is None
    np.savez(path, y=labels)
    _refused(str(path), "no inputs")
    np.savez(path, x=images, y=np.zeros(3, dtype=int))
    _refused(str(path), "not 4 class numbers")
    np.savez(path, x=images, y=np.zeros(4))
    _refused(str(path), "not 4 class numbers")


def test_a_bomb(tmp_path: Path) -> None:
    path = tmp_path / "data.npz"
    np.savez_compressed(path, x=np.zeros((1000, 10_000)))
    _refused(str(path), "1,000-fold")


def test_a_header_that_claims_too_much(tmp_path: Path) -> None:
    path = tmp_path / "data.npy"
    header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (1000000, 1000000), }"
    raw = b"\x93NUMPY\x01\x00" + (118).to_bytes(2, "little") + header.ljust(117) + b"\n" + b"\0" * 64
    path.write_bytes(raw)
    _refused(str(path), "larger than its file")
    with zipfile.ZipFile(tmp_path / "data.npz", "w") as archive:
        archive.writestr("x.npy", raw)
    _refused(str(tmp_path / "data.npz"), "larger than its file")


def test_files_of_another_kind(tmp_path: Path) -> None:
    path = tmp_path / "data.npy"
    path.write_bytes(b"once upon a time\n")
    _refused(str(path), "of no kind that is read")
    path.write_bytes(b"")
    _refused(str(path), "empty")


def test_damaged_files_raise_nothing_else(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    buffer = io.BytesIO()
    np.savez(buffer, x=np.ones((5, 4)), y=np.arange(5))
    plain = io.BytesIO()
    np.save(plain, np.ones((5, 4)))
    path = tmp_path / "data.npy"
    lines = set()
    for raw in (buffer.getvalue(), plain.getvalue()):
        for _ in range(150):
            changed = bytearray(raw[: rng.integers(1, len(raw) + 1)] if rng.random() < 0.3 else raw)
            for _ in range(rng.integers(0, 4)):
                changed[rng.integers(len(changed))] ^= 1 << int(rng.integers(8))
            path.write_bytes(changed)
            try:
                load_data(str(path), normalize="global")
            except PropstatsError as error:
                lines.add(len(str(error).splitlines()))
    assert lines == {1}
