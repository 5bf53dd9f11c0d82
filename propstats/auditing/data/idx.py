"""IDX files, plain or gzipped: the format of MNIST and Fashion-MNIST."""

import gzip
import math
import zlib
from pathlib import Path
from typing import Final

import numpy as np

from propstats.auditing.data.arrays import check_claim, together
from propstats.auditing.data.rows import Array, Numbers
from propstats.errors import DataError

_TYPES: Final = {8: ">u1", 9: ">i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}
GZIP: Final = b"\x1f\x8b"


def is_idx(head: bytes) -> bool:
    """Say whether a file begins like IDX: two zeros, a known type and one to eight axes."""
    return len(head) > 3 and head[:2] == b"\0\0" and head[2] in _TYPES and 1 <= head[3] <= 8


def read_idx(path: Path, shown: str, labels: Path | None = None) -> Array:
    """Read inputs and their labels.

    Args:
        path: The inputs, (N, ...); grey images (N, height, width) get an axis of one channel.
        shown: How to name the file in an error.
        labels: Their labels; None: the file next to it whose name has `labels-idx1` for `images-idx3`, if there is one.

    Raises:
        DataError: If a file is damaged, or the two do not belong together.
    """
    if labels is None:
        sibling = path.with_name(path.name.replace("images-idx3", "labels-idx1"))
        labels = sibling if sibling != path and sibling.is_file() else None
    inputs = load_idx(path, shown)
    if inputs.ndim == 3:
        inputs = inputs[:, None]
    return together(inputs, None if labels is None else load_idx(labels, shown), shown)


def load_idx(path: Path, shown: str) -> Numbers:
    """Read one array.

    Raises:
        DataError: If the file is damaged, truncated, or says that it is too large.
    """
    damaged = DataError(f"{shown}: the IDX file is damaged or truncated", "download it again")
    try:
        with path.open("rb") as plain:
            packed = plain.read(2) == GZIP
        with gzip.open(path) if packed else path.open("rb") as file:
            head = file.read(4)
            if not is_idx(head):
                raise damaged
            shape = tuple(int(size) for size in np.frombuffer(file.read(4 * head[3]), dtype=">u4"))
            kind = np.dtype(_TYPES[head[2]])
            check_claim(shape, kind.itemsize, shown, "the array")
            wanted = math.prod(shape) * kind.itemsize
            raw = file.read(wanted + 1)  # one more shows that the header and the values do not belong together
    except (OSError, EOFError, zlib.error, ValueError, MemoryError) as error:
        raise damaged from error
    if len(shape) != head[3] or len(raw) != wanted:
        raise damaged
    return np.frombuffer(raw, dtype=kind).reshape(shape)
