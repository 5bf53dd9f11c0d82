"""What a data file is, told from its bytes and never from its suffix, and the reader for it."""

import os
from pathlib import Path
from typing import Final

from propstats.auditing.data.arrays import HINT, read_npy, read_npz
from propstats.auditing.data.idx import GZIP, is_idx, read_idx
from propstats.auditing.data.rows import Array
from propstats.auditing.data.tensors import read_tensors
from propstats.auditing.loading.sniff import open_regular
from propstats.errors import DataError, ModelError
from propstats.text import printable

_KINDS: Final = ".npy, .npz, torch and safetensors tensors, IDX"


def read_file(path: str | os.PathLike[str]) -> Array:
    """Read inputs, and labels if there are any, from a file.

    Args:
        path: The file; its kind is told from its bytes.

    Raises:
        DataError: If the file is missing, damaged, of another kind, or holds no data.
    """
    shown = printable(os.fspath(path), limit=300)
    path = Path(path)
    try:
        with open_regular(path) as file:
            head = file.read(1024)
    except ModelError as error:
        raise DataError(error.message, f"name a file of one of these kinds: {_KINDS}") from error
    if not head:
        raise DataError(f"{shown}: is empty", HINT)
    if head.startswith(b"\x93NUMPY"):
        return read_npy(path, shown)
    if head.startswith(b"PK\x03\x04"):
        return _zip(path, shown)
    if head[:1] == b"\x80" or head[8:9] == b"{":
        return read_tensors(path, shown)
    if is_idx(head) or head.startswith(GZIP):
        return read_idx(path, shown)
    raise DataError(f"{shown}: is of no kind that is read as data", f"known: {_KINDS}")


def _zip(path: Path, shown: str) -> Array:
    import zipfile

    try:
        with zipfile.ZipFile(path) as archive:
            arrays = any(name.endswith(".npy") for name in archive.namelist())
    except Exception as error:  # zipfile lets struct, Unicode, OS and value errors through on damaged files
        raise DataError(f"{shown}: the zip archive is truncated or damaged", "save it again") from error
    return read_npz(path, shown) if arrays else read_tensors(path, shown)
