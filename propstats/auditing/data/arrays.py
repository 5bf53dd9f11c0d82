"""Arrays out of .npy and .npz files, and the digits that come with propstats."""

import gzip
import hashlib
import math
import zipfile
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Final

import numpy as np

from propstats.auditing.data.rows import Array, Numbers, check_inputs, check_labels
from propstats.auditing.data.stream import INPUT_KEYS, LABEL_KEYS
from propstats.errors import DataError

_DIGITS_SHA256: Final = "09f66e6debdee2cd2b5ae59e0d6abbb73fc2b0e0185d2e1957e9ebb51e23aa22"
#: The most bytes that anything packed may unpack to, and how many times its size.
MAX_BYTES: Final = 2 << 30
_MAX_RATIO: Final = 1000
HINT: Final = "save it with numpy.save as an array of shape (N, features) or (N, channels, height, width)"


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


def together(inputs: Numbers, labels: Numbers | None, shown: str, notes: tuple[str, ...] = ()) -> Array:
    """Check inputs and labels, and hash them.

    Args:
        inputs: (N, ...).
        labels: (N,), (N, 1) or None.
        shown: How to name them in an error.
        notes: What a reader of the result should know.

    Raises:
        DataError: If they are no data.
    """
    check_inputs(inputs, shown)
    return Array.of(inputs, None if labels is None else check_labels(labels, len(inputs), shown), notes)


def read_npy(path: Path, shown: str) -> Array:
    """Read inputs from a .npy file, which stays on the disk until it is used.

    Raises:
        DataError: If the file is damaged, or its array is no data.
    """
    try:
        # Mapped: a header that claims more than the file holds then fails before memory is asked for.
        inputs: Numbers = np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception as error:  # numpy raises many kinds on damaged headers
        raise _unreadable(shown, error) from error
    return together(inputs, None, shown)


def read_npz(path: Path, shown: str) -> Array:
    """Read inputs, and labels if there are any, from a .npz file.

    Inputs are called x, inputs, images or data, or come first; labels are called y, labels or targets.

    Raises:
        DataError: If the file is damaged or unpacks to too much, or its arrays are no data.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except Exception as error:  # as in read_npy
        raise DataError(f"{shown}: the zip archive is truncated or damaged", "save it again") from error
    names = [entry.filename.removesuffix(".npy") for entry in entries if entry.filename.endswith(".npy")]
    if not names:
        raise DataError(f"{shown}: is a zip archive without arrays", HINT)
    total, packed = sum(entry.file_size for entry in entries), sum(entry.compress_size for entry in entries)
    if total > MAX_BYTES or total > _MAX_RATIO * packed or len(set(names)) < len(names):
        what = f"unpacks to {total:,} bytes from {packed:,}, or names an array twice"
        raise DataError(f"{shown}: {what}; at most {MAX_BYTES:,} and 1,000-fold are read", "save it as .npy")
    key, label_key = pick(names, shown)
    try:
        loaded: Mapping[str, Numbers]
        with np.load(path, allow_pickle=False) as loaded:
            inputs, labels = loaded[key], None if label_key is None else loaded[label_key]
    except Exception as error:  # as in read_npy
        raise _unreadable(shown, error) from error
    return together(inputs, labels, shown)


def pick(names: list[str], shown: str) -> tuple[str, str | None]:
    """Say under which names a file holds its inputs and its labels.

    Args:
        names: All names in it, in order.
        shown: How to name the file in an error.

    Raises:
        DataError: If there are no inputs.
    """
    label_key: str | None = next((known for known in LABEL_KEYS if known in names), None)
    key: str | None = next((known for known in INPUT_KEYS if known in names), None)
    key = key or next((name for name in names if name != label_key), None)
    if key is None:
        raise DataError(f"{shown}: holds labels but no inputs", f"name the inputs {', '.join(INPUT_KEYS[:4])}")
    return key, label_key


def check_claim(shape: tuple[int, ...], itemsize: int, shown: str, name: str) -> None:
    """Refuse an array of more bytes than are ever unpacked.

    Raises:
        DataError: If it is too large.
    """
    claimed = math.prod(shape) * itemsize
    if claimed > MAX_BYTES:
        raise DataError(f"{shown}: {name} unpacks to {claimed:,} bytes; at most {MAX_BYTES:,} are read", "save .npy")


def _unreadable(shown: str, error: Exception) -> DataError:
    if "Object arrays" in str(error) or "Python objects" in str(error):
        return DataError(f"{shown}: holds Python objects, which are never unpickled", "save an array of numbers")
    return DataError(f"{shown}: the array is damaged, truncated, or larger than its file", "save it again")
