"""What pickles do with permitted names: sizes, storages and keys that no honest file has."""

import contextlib
import io
import pickle
import zipfile
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from model_files import rezip, weights
from refusals import refused
from torch import nn

from propstats.auditing.loading.construction import check_construction
from propstats.errors import ModelError, UnsafeModelError


def _check(body: bytes, size: int = 1000) -> None:
    check_construction(io.BytesIO(b"\x80\x02" + body), name="m.pt", size=size)


def _storage(numbers: bytes, kind: bytes = b"torch\nFloatStorage", key: bytes = b"0") -> bytes:
    return (
        b"(X\x07\x00\x00\x00storagec" + kind + b"\nX\x01\x00\x00\x00" + key + b"X\x03\x00\x00\x00cpu" + numbers + b"tQ"
    )


@pytest.mark.parametrize(
    "content",
    [
        weights(),
        {"epoch": 3, "best": 0.5, "name": "x", "list": [1, (2, 3), {4}], "model": weights(), "none": None},
        nn.Sequential(nn.Conv2d(1, 2, 3), nn.GELU()),
        {"sparse": torch.eye(3).to_sparse(), "view": torch.arange(12.0).reshape(3, 4).T[1:], "empty": torch.ones(0, 3)},
        {"half": torch.ones(3).half(), "bf": torch.ones(3).bfloat16(), "i8": torch.ones(3).to(torch.int8)},
        {"f8": torch.ones(3).to(torch.float8_e4m3fn), "bool": torch.ones(3) > 0, "complex": torch.ones(3) * 1j},
        {"size": torch.Size([1, 2]), "device": torch.device("cpu"), "dtype": torch.float64, "bytes": b"abc"},
        {"scalar": torch.tensor(1.0), "expanded": torch.ones(1).expand(5), "parameter": nn.Parameter(torch.ones(2))},
    ],
)
@pytest.mark.parametrize("modern", [True, False])
def test_honest_files(content: object, modern: bool) -> None:
    buffer = io.BytesIO()
    torch.save(content, buffer, _use_new_zipfile_serialization=modern)
    size = buffer.tell()
    buffer.seek(0)
    if not modern:
        if isinstance(content, nn.Module):
            return  # refused already, for the code in it
        check_construction(buffer, name="m.pt", size=size, pickles=5)
        return
    with zipfile.ZipFile(buffer) as archive, archive.open("archive/data.pkl") as stream:
        check_construction(stream, name="m.pt", size=size)


def test_an_optimiser_and_a_scheduler() -> None:
    moments = {"step": torch.tensor(1.0), "exp_avg": torch.ones(2, 2), "exp_avg_sq": torch.ones(2, 2)}
    group = {"lr": 1e-3, "betas": (0.9, 0.999), "amsgrad": False, "foreach": None, "params": [0, 1]}
    optimiser = {"state": {0: moments, 1: moments}, "param_groups": [group]}
    buffer = io.BytesIO()
    torch.save({"optimizer": optimiser, "rng": torch.get_rng_state()}, buffer)
    size = buffer.tell()
    with zipfile.ZipFile(buffer) as archive, archive.open("archive/data.pkl") as stream:
        check_construction(stream, name="m.pt", size=size)


@pytest.mark.parametrize(
    "body",
    [
        b"cbuiltins\nbytearray\nJ\xff\xff\xff\x7f\x85R.",  # two gigabytes of nothing
        b"ctorch\nFloatStorage\nJ\xff\xff\xff\x7f\x85R.",
        b"ctorch\nFloatTensor\nJ\xff\xff\xff\x7f\x85\x81.",
        b"ctorch.nn.modules.linear\nLinear\n(K\x01tR.",
        b"(tX\x01\x00\x00\x00aR.",  # nothing that could be called
        b"ctorch\nTensor\n}b.",  # state onto a class
        b"ctorch._tensor\n_rebuild_from_type_v2\n(ctorch\nTensor\ntR.",
        b"ctorch._utils\n_rebuild_tensor_v2\n(K\x01tR.",
        b"ctorch._utils\n_rebuild_wrapper_subclass\n)R.",
    ],
)
def test_calls_that_are_refused(body: bytes) -> None:
    with pytest.raises(UnsafeModelError, match="more than rebuild itself"):
        _check(body)


def test_storages_that_claim_more_than_the_file() -> None:
    _check(_storage(b"M\xfa\x00") + b".")  # 250 floats in 1000 bytes
    for body in (
        _storage(b"J\xff\xff\xff\x7f") + b".",
        _storage(b"M\xff\xff") + b".",
        b"]" + b"".join(_storage(b"M\xfa\x00", key=bytes([48 + i])) + b"a" for i in range(10)) + b".",
        _storage(b"J\xff\xff\xff\xff") + b".",
    ):
        with pytest.raises(ModelError, match=r"weights claim .* bytes, 1,000 are there"):
            _check(body)
    _check(b"]" + (_storage(b"M\xfa\x00") + b"a") * 10 + b".")  # one storage, ten times


def test_views_beyond_their_storage(tmp_path: Path) -> None:
    """Torch enlarges the storage: a kilobyte of file, four terabytes of memory that nobody wrote."""
    torch.save({"w": torch.ones(3)}, tmp_path / "m.pt")
    small, large = b"K\x03\x85", b"J\x00\x00\x00\x40\x85"
    refused(
        rezip(tmp_path / "m.pt", lambda data: data.replace(small, large, 1)), "a tensor claims 1,073,741,824 numbers"
    )
    view = b"ctorch._utils\n_rebuild_tensor_v2\n(" + _storage(b"K\x05") + b"%s%s%s\x89}tR."
    _check(view % (b"K\x02", b"K\x03\x85", b"K\x01\x85"))
    for offset, sizes, strides in (
        (b"K\x03", b"K\x03\x85", b"K\x01\x85"),
        (b"K\x00", b"K\x03\x85", b"K\x03\x85"),
        (b"J\xff\xff\xff\xff", b"K\x03\x85", b"K\x01\x85"),
        (b"K\x00", b"K\x03\x85", b"J\xff\xff\xff\xff\x85"),
    ):
        with pytest.raises(ModelError, match="a tensor claims"):
            _check(view % (offset, sizes, strides))
    for offset, sizes, strides in (
        (b"N", b")", b")"),
        (b"K\x00", b"K\x03\x85", b")"),
        (b"K\x00", b"N\x85", b"K\x01\x85"),
    ):
        with pytest.raises(UnsafeModelError, match="more than rebuild itself"):
            _check(view % (offset, sizes, strides))


def test_tuples_that_would_hash_forever() -> None:
    body = b"}(" + b")" + b"q\x00h\x00\x86" * 60 + b"K\x01u."
    with pytest.raises(UnsafeModelError, match="nests tuples"):
        _check(body)


def test_other_instructions() -> None:
    for protocol in (3, 4, 5):
        with pytest.raises(ModelError, match=f"pickle protocol {protocol}"):
            check_construction(io.BytesIO(pickle.dumps([1], protocol=protocol)), name="m", size=99)
    with pytest.raises(ModelError, match="instruction POP"):
        _check(b"K\x010.")


@given(st.binary(max_size=60))
def test_any_bytes_raise_nothing_else(body: bytes) -> None:
    with contextlib.suppress(ModelError):
        _check(body)
