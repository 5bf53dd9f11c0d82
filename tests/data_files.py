"""Data files in the layouts in which they are published, made small."""

import gzip
import hashlib
import io
import pickle
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.generic]
_IDX_TYPES = {"uint8": 8, "int8": 9, "int16": 11, "int32": 12, "float32": 13, "float64": 14}


def idx(values: Numbers) -> bytes:
    head = bytes([0, 0, _IDX_TYPES[values.dtype.name], values.ndim])
    return (
        head + np.array(values.shape, dtype=">u4").tobytes() + values.astype(values.dtype.newbyteorder(">")).tobytes()
    )


def cifar(samples: int, *, seed: int = 0, fine: bool = False) -> tuple[bytes, Numbers, npt.NDArray[np.int64]]:
    """Return binary records with the images and labels in them."""
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, size=(samples, 3, 32, 32), dtype=np.uint8)
    labels = rng.integers(0, 100 if fine else 10, size=samples)
    columns = [labels // 5, labels] if fine else [labels]
    table = np.column_stack([*columns, images.reshape(samples, -1)]).astype(np.uint8)
    return table.tobytes(), images, labels


def cifar_pickle(images: Numbers, labels: npt.NDArray[np.int64], *, key: bytes = b"labels") -> bytes:
    content = {b"data": images.reshape(len(images), -1), key: labels.tolist(), b"batch_label": b"testing batch"}
    buffer = io.BytesIO()
    _Python2(buffer, protocol=2).dump(content)
    return buffer.getvalue()


class _Python2(pickle._Pickler):
    """Writes bytes as Python 2 wrote its strings; the published files are from there."""

    def _save_string(self, text: bytes) -> None:
        write = getattr(self, "write")  # noqa: B009 - an attribute that type checkers do not know
        write(b"T" + len(text).to_bytes(4, "little") + text)

    dispatch: ClassVar[dict[type, Any]] = pickle._Pickler.dispatch | {bytes: _save_string}


def tar_gz(members: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def write(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def write_idx_pair(folder: Path, prefix: str, images: Numbers, labels: Numbers, *, packed: bool = True) -> None:
    for name, values in ((f"{prefix}-images-idx3-ubyte", images), (f"{prefix}-labels-idx1-ubyte", labels)):
        content = idx(values)
        write(folder / (f"{name}.gz" if packed else name), gzip.compress(content, mtime=0) if packed else content)


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()
