"""What a data file is, told from its bytes and never from its suffix, and the reader for it."""

import gzip
import os
import zlib
from contextlib import suppress
from pathlib import Path
from typing import Final

from propstats.auditing.data.arrays import HINT, read_npy, read_npz
from propstats.auditing.data.cifar import read_records
from propstats.auditing.data.idx import GZIP, is_idx, read_idx
from propstats.auditing.data.matlab import MAGIC, read_matlab
from propstats.auditing.data.rows import Array
from propstats.auditing.data.tables import PARQUET, looks_like_table, read_csv, read_parquet
from propstats.auditing.data.tensors import read_tensors
from propstats.auditing.loading.sniff import open_regular
from propstats.errors import DataError, ModelError
from propstats.text import printable

_KINDS: Final = ".npy, .npz, torch or safetensors tensors, IDX, CIFAR .bin or .tar.gz, .mat, .csv, .parquet"
_NAMED: Final[tuple[tuple[bytes, str, str], ...]] = (
    (b"version https://git-lfs", "is a git-lfs pointer, not the data", "run: git lfs pull"),
    (b"\x89HDF", "is an HDF5 file (MATLAB 7.3, Keras?)", "save it as .npy, or in MATLAB with -v7"),
    (b"MATLAB 7", "is a MATLAB file of version 7.3", "save it with -v7"),
    (b"\x89PNG", "is one image", "name a folder of images"),
    (b"\xff\xd8\xff", "is one image", "name a folder of images"),
    (b"PK\x05\x06", "is an empty zip archive", "save it again"),
    (b"{", "is JSON", "save its numbers as .npy or .csv"),
    (b"[", "is JSON", "save its numbers as .npy or .csv"),
    (b"\xff\xfe", "is text in UTF-16", "save it as .csv in UTF-8"),
    (b"\xfe\xff", "is text in UTF-16", "save it as .csv in UTF-8"),
    (b"RIFF", "is sound or film", "decode it in a factory of yours: --data package.module:factory"),
    (b"<", "is a web page or other markup", "download the file itself, not its page"),
)


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
            size = os.fstat(file.fileno()).st_size
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
    if is_idx(head):
        return read_idx(path, shown)
    if head.startswith(GZIP):
        inside = _unpacked(path)
        if looks_like_table(inside):
            raise DataError(f"{shown}: is a compressed table", "unpack it first: gunzip")
        return read_idx(path, shown) if is_idx(inside) else read_records(path, shown)
    if head.startswith(MAGIC):
        return read_matlab(path, shown)
    if head.startswith(PARQUET):
        return read_parquet(path, shown)
    for magic, what, hint in _NAMED:
        if head.startswith(magic):
            raise DataError(f"{shown}: {what}", hint)
    if looks_like_table(head):
        return read_csv(path, shown)
    if size % 3073 == 0 or size % 3074 == 0:
        return read_records(path, shown)
    raise DataError(f"{shown}: is of no kind that is read as data", f"known: {_KINDS}")


def _unpacked(path: Path) -> bytes:
    """Return how a packed file begins, as far as it can be unpacked."""
    head = b""
    with suppress(OSError, EOFError, zlib.error), gzip.open(path) as file:
        head = file.read(4)
        head += file.read(1020)
    return head


def _zip(path: Path, shown: str) -> Array:
    import zipfile

    try:
        with zipfile.ZipFile(path) as archive:
            arrays = any(name.endswith(".npy") for name in archive.namelist())
    except Exception as error:  # zipfile lets struct, Unicode, OS and value errors through on damaged files
        raise DataError(f"{shown}: the zip archive is truncated or damaged", "save it again") from error
    return read_npz(path, shown) if arrays else read_tensors(path, shown)
