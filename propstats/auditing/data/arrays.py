"""Arrays out of .npy and .npz files, told by their bytes, and the digits that come with propstats."""

import gzip
import hashlib
import os
import zipfile
from collections.abc import Mapping
from importlib.resources import files
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from propstats.auditing.loading.sniff import open_regular
from propstats.errors import DataError, ModelError
from propstats.text import printable

_DIGITS_SHA256: Final = "09f66e6debdee2cd2b5ae59e0d6abbb73fc2b0e0185d2e1957e9ebb51e23aa22"
_INPUT_KEYS: Final = ("x", "inputs", "images", "data")
_LABEL_KEYS: Final = ("y", "labels", "targets")
_MAX_BYTES: Final = 2 << 30
_MAX_RATIO: Final = 1000
_HINT: Final = "save it with numpy.save as an array of shape (N, features) or (N, channels, height, width)"


class Array(NamedTuple):
    """Raw arrays: inputs of shape (N, ...), labels of shape (N,) or None, and the hash of both."""

    inputs: npt.NDArray[np.generic]
    labels: npt.NDArray[np.int64] | None
    sha256: str

    @classmethod
    def of(cls, inputs: npt.NDArray[np.generic], labels: npt.NDArray[np.int64] | None) -> "Array":
        """Hash arrays by data type, shape and bytes.

        Args:
            inputs: (N, ...).
            labels: (N,) or None.
        """
        digest = hashlib.sha256()
        for values in (inputs, labels):
            if values is not None:
                digest.update(f"{values.dtype.str}{values.shape}".encode())
                digest.update(np.ascontiguousarray(values).view(np.uint8).data)
        return cls(inputs, labels, digest.hexdigest())


def read_digits() -> Array:
    """Read the embedded handwritten digits.

    Returns:
        Images (1797, 1, 8, 8), uint8 from 0 to 16, and labels (1797,) from 0 to 9.

    Raises:
        DataError: If the file that came with propstats was changed.
    """
    try:
        packed = (files("propstats.auditing.data") / "datasets" / "digits.csv.gz").read_bytes()
    except OSError as error:
        raise DataError("the digits that come with propstats are not there", "install propstats again") from error
    if hashlib.sha256(packed).hexdigest() != _DIGITS_SHA256:
        raise DataError("the digits that come with propstats were changed", "install propstats again")
    rows = gzip.decompress(packed).decode("ascii").split()
    table = np.array([row.split(",") for row in rows]).astype(np.uint8)
    return Array.of(table[:, :64].reshape(-1, 1, 8, 8), table[:, 64].astype(np.int64))


def read_arrays(path: str | os.PathLike[str]) -> Array:
    """Read inputs, and labels if there are any, from a .npy or .npz file.

    Args:
        path: The file. In a .npz the inputs are called x, inputs, images or data, or come first; labels are
            called y, labels or targets.

    Returns:
        The arrays as they are in the file.

    Raises:
        DataError: If the file is missing, damaged, of another kind, or its arrays are no data.
    """
    shown = printable(os.fspath(path), limit=300)
    try:
        with open_regular(path) as file:
            head = file.read(16)
    except ModelError as error:
        raise DataError(error.message, "name a .npy or .npz file") from error
    if head.startswith(b"\x93NUMPY"):
        inputs, labels = _load_npy(path, shown), None
    elif head.startswith(b"PK\x03\x04"):
        inputs, labels = _load_npz(path, shown)
    elif not head:
        raise DataError(f"{shown}: is empty", _HINT)
    elif head[:1] == b"\x80" or head[8:9] == b"{":
        raise DataError(f"{shown}: tensors saved by torch or safetensors are not read as data yet", _HINT)
    else:
        raise DataError(f"{shown}: is neither a .npy nor a .npz file", _HINT)
    _check_inputs(inputs, shown)
    return Array.of(inputs, None if labels is None else _check_labels(labels, len(inputs), shown))


def _load_npy(path: str | os.PathLike[str], shown: str) -> npt.NDArray[np.generic]:
    try:
        # Mapped: a header that claims more than the file holds then fails before memory is asked for.
        loaded: npt.NDArray[np.generic] = np.load(path, mmap_mode="r", allow_pickle=False)
        return np.array(loaded)
    except Exception as error:  # numpy raises many kinds on damaged headers
        raise _unreadable(shown, error) from error


def _load_npz(
    path: str | os.PathLike[str], shown: str
) -> tuple[npt.NDArray[np.generic], npt.NDArray[np.generic] | None]:
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except Exception as error:  # as in _load_npy
        raise DataError(f"{shown}: the zip archive is truncated or damaged", "save it again") from error
    names = [entry.filename.removesuffix(".npy") for entry in entries if entry.filename.endswith(".npy")]
    if not names:
        raise DataError(f"{shown}: is a zip archive without arrays; torch files are not read as data yet", _HINT)
    total, packed = sum(entry.file_size for entry in entries), sum(entry.compress_size for entry in entries)
    if total > _MAX_BYTES or total > _MAX_RATIO * packed or len(set(names)) < len(names):
        what = f"unpacks to {total:,} bytes from {packed:,}, or names an array twice"
        raise DataError(f"{shown}: {what}; at most {_MAX_BYTES:,} and 1,000-fold are read", "save it as .npy")
    key: str | None = next((known for known in _INPUT_KEYS if known in names), None)
    label_key: str | None = next((known for known in _LABEL_KEYS if known in names), None)
    if key is None:
        key = next((name for name in names if name != label_key), None)
    if key is None:
        raise DataError(f"{shown}: holds labels but no inputs", f"name the inputs {', '.join(_INPUT_KEYS)}")
    try:
        loaded: Mapping[str, npt.NDArray[np.generic]]
        with np.load(path, allow_pickle=False) as loaded:
            return loaded[key], None if label_key is None else loaded[label_key]
    except Exception as error:  # as in _load_npy
        raise _unreadable(shown, error) from error


def _unreadable(shown: str, error: Exception) -> DataError:
    if "Object arrays" in str(error) or "Python objects" in str(error):
        return DataError(f"{shown}: holds Python objects, which are never unpickled", "save an array of numbers")
    return DataError(f"{shown}: the array is damaged, truncated, or larger than its file", "save it again")


def _check_inputs(inputs: npt.NDArray[np.generic], shown: str) -> None:
    if inputs.dtype.kind not in "biuf":
        what = "complex numbers" if inputs.dtype.kind == "c" else f"{printable(inputs.dtype, limit=40)} values"
        raise DataError(f"{shown}: holds {what}, not real numbers", "save an array of real numbers")
    if inputs.ndim < 2:
        what = f"an array of {inputs.ndim} dimensions is not (N, features)"
        raise DataError(f"{shown}: {what}", "reshape it: a row is a sample")
    if inputs.size == 0:
        raise DataError(f"{shown}: holds no samples: its shape is {inputs.shape}", "save at least one sample")


def _check_labels(labels: npt.NDArray[np.generic], samples: int, shown: str) -> npt.NDArray[np.int64]:
    if labels.dtype.kind not in "biu" or labels.shape not in ((samples,), (samples, 1)):
        what = f"labels of type {printable(labels.dtype, limit=40)} and shape {labels.shape}"
        raise DataError(f"{shown}: {what} are not {samples:,} class numbers", "save integers of shape (N,)")
    return labels.reshape(samples).astype(np.int64)
