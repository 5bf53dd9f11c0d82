"""CIFAR-10 and CIFAR-100: binary records, and the pickles of the Python version, of which only arrays are built."""

import io
import pickle
import tarfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from propstats.auditing.data.arrays import MAX_BYTES, together
from propstats.auditing.data.rows import Array, Labels, Numbers
from propstats.errors import DataError
from propstats.text import printable

_PIXELS: Final = 3 * 32 * 32
#: How many classes each label byte of a record tells apart; the last one is what is learned.
CLASSES: Final = {"cifar10": (10,), "cifar100": (20, 100)}

Pair = tuple[Numbers, Labels]


def from_records(raw: bytes, classes: tuple[int, ...], shown: str) -> Pair:
    """Take images and labels out of binary records: the label bytes, then red, green and blue rows of 32x32.

    Args:
        raw: The records.
        classes: How many classes each label byte tells apart.
        shown: How to name the file in an error.

    Returns:
        Images (N, 3, 32, 32), uint8, and labels (N,).

    Raises:
        DataError: If the bytes are no such records.
    """
    width = len(classes) + _PIXELS
    if not raw or len(raw) % width:
        raise DataError(f"{shown}: {len(raw):,} bytes are not records of {width:,}: truncated", "download it again")
    table = np.frombuffer(raw, dtype=np.uint8).reshape(-1, width)
    if (table[:, : len(classes)] >= np.array(classes)).any():
        raise DataError(f"{shown}: holds labels that are no classes: damaged, or another data set", "get it again")
    return table[:, len(classes) :].reshape(-1, 3, 32, 32), table[:, len(classes) - 1].astype(np.int64)


def guess_classes(raw: bytes) -> tuple[int, ...] | None:
    """Say whose records bytes may be, from their size and labels; None if nobody's."""
    for classes in CLASSES.values():
        try:
            from_records(raw, classes, "")
        except DataError:
            continue
        return classes
    return None


def from_pickle(raw: bytes, classes: tuple[int, ...], shown: str) -> Pair:
    """Take images and labels out of a batch of the Python version: plain containers and one array, nothing else.

    Raises:
        DataError: If the pickle names anything but an array, or is damaged.
    """
    try:
        content = _ArraysOnly(io.BytesIO(raw), encoding="bytes").load()
        labels = content[b"labels" if classes == CLASSES["cifar10"] else b"fine_labels"]
        images = np.asarray(content[b"data"], dtype=np.uint8).reshape(-1, 3, 32, 32)
        return images, np.asarray(labels, dtype=np.int64)
    except DataError as error:
        raise DataError(f"{shown}: {error.message}", "download it again") from error
    except Exception as error:  # a damaged pickle raises anything
        raise DataError(f"{shown}: the batch is damaged", "download it again") from error


class _ArraysOnly(pickle._Unpickler):
    """Knows how arrays are put together, and nothing else.

    Written in Python: the one in C takes gigabytes for a single damaged byte (an index into its memo).
    """

    _REBUILD: Final = np.zeros(1).__reduce__()[0]  # under a private name that differs between versions of numpy

    def find_class(self, module: str, name: str) -> Any:
        """Return what an array needs."""
        if (module, name) in (
            ("numpy.core.multiarray", "_reconstruct"),
            ("numpy._core.multiarray", "_reconstruct"),
        ):
            return self._REBUILD
        if module == "numpy" and name in ("ndarray", "dtype"):
            return np.ndarray if name == "ndarray" else np.dtype
        what = f"the pickle names {printable(f'{module}.{name}', limit=80)}, which CIFAR does not; nothing was executed"
        raise DataError(what)


def read_batches(
    paths: Sequence[Path], classes: tuple[int, ...], convert: Callable[[bytes, tuple[int, ...], str], Pair]
) -> Array:
    """Read batches that lie side by side.

    Args:
        paths: The files, in order.
        classes: How many classes each label byte tells apart.
        convert: `from_records` or `from_pickle`.

    Raises:
        DataError: If a file is damaged.
    """
    return _joined([convert(path.read_bytes(), classes, str(path)) for path in paths], str(paths[0]))


def read_archive(
    paths: Sequence[Path],
    members: Sequence[str],
    classes: tuple[int, ...],
    convert: Callable[[bytes, tuple[int, ...], str], Pair],
) -> Array:
    """Read batches out of a .tar.gz, without unpacking it to the disk.

    Args:
        paths: The archive, alone.
        members: Names of its files, without folders, in order.
        classes: How many classes each label byte tells apart.
        convert: `from_records` or `from_pickle`.

    Raises:
        DataError: If the archive is damaged, or lacks a member.
    """
    path = paths[0]
    wanted = dict(tar_members(path, set(members)))
    missing = [name for name in members if name not in wanted]
    if missing:
        raise DataError(f"{path}: holds no {printable(missing[0], limit=60)}", "download it again")
    return _joined([convert(wanted[name], classes, f"{path}: {name}") for name in members], str(path))


def tar_members(path: Path, names: set[str] | None = None) -> Iterator[tuple[str, bytes]]:
    """Yield regular files out of a .tar.gz by their names without folders.

    Args:
        path: The archive.
        names: Which ones; None for all that end in .bin.

    Raises:
        DataError: If it is damaged, or unpacks to too much.
    """
    shown, total = str(path), 0
    try:
        with tarfile.open(path, "r|gz") as archive:
            for member in archive:
                total += member.size
                if total > MAX_BYTES:
                    raise DataError(f"{shown}: unpacks to more than {MAX_BYTES:,} bytes", "unpack it yourself")
                name = member.name.rsplit("/", 1)[-1]
                wanted = name.endswith(".bin") if names is None else name in names
                file = archive.extractfile(member) if wanted and member.isreg() else None
                if file is not None:
                    yield name, file.read()
    except DataError:
        raise
    except Exception as error:  # tarfile, gzip, zlib and struct errors on damaged files
        raise DataError(f"{shown}: the archive is truncated or damaged", "download it again") from error


def read_records(path: Path, shown: str) -> Array:
    """Read a user's file of records, plain or in a .tar.gz: there the test images, if it has any.

    Raises:
        DataError: If it is not CIFAR, or damaged.
    """
    with path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    if not packed:
        batches, notes = [("", path.read_bytes())], tuple[str, ...]()
    else:
        batches = sorted(tar_members(path))
        test = [batch for batch in batches if batch[0].startswith("test")]
        notes = ("of the archive, its test images",) if test and len(test) < len(batches) else ()
        batches = test or batches
    if not batches:
        raise DataError(f"{shown}: is an archive without .bin files", "known: CIFAR's binary version")
    classes = guess_classes(batches[0][1])
    if classes is None:
        raise DataError(f"{shown}: is of no kind that is read as data", "CIFAR's records have 3,073 or 3,074 bytes")
    return _joined([from_records(raw, classes, f"{shown} {name}".strip()) for name, raw in batches], shown, notes)


def _joined(pairs: list[Pair], shown: str, notes: tuple[str, ...] = ()) -> Array:
    images, labels = (np.concatenate([pair[i] for pair in pairs]) for i in (0, 1))
    return together(images, labels, shown, notes)
