"""What a model file is, told from its bytes and never from its suffix, before anything is loaded."""

import codecs
import os
import re
import stat
import zipfile
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import Final, Literal

from propstats.errors import ModelError
from propstats.text import printable

Kind = Literal["torch zip", "torch legacy", "torchscript", "torch export", "safetensors", "pickle"]

MAX_SAFETENSORS_HEADER: Final = 100_000_000
_HEAD: Final = 1024
_SCHEMES: Final = ("http", "https", "ftp", "hf", "s3", "gs", "file", "az", "wandb", "mlflow")
_ZIP: Final = b"PK\x03\x04"
_LEGACY_MAGIC: Final = b"\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19"

_NAMED: Final[tuple[tuple[bytes, str, str], ...]] = (
    (b"version https://git-lfs", "is a git-lfs pointer, not the model itself", "run: git lfs pull"),
    (b"\x1f\x8b", "is gzip-compressed", "decompress it first: gunzip"),
    (b"BZh", "is bzip2-compressed", "decompress it first: bunzip2"),
    (b"\xfd7zXZ\x00", "is xz-compressed", "decompress it first: unxz"),
    (b"\x28\xb5\x2f\xfd", "is zstd-compressed", "decompress it first: zstd -d"),
    (b"\x93NUMPY", "is a NumPy array, not a model", "arrays are data: pass it with --data"),
    (
        b"\x89HDF\r\n\x1a\n",
        "is an HDF5 file (Keras?), not a torch model",
        "convert its weights to safetensors",
    ),
    (b"GGUF", "is a GGUF file, not a torch model", "convert its weights to safetensors"),
    (b"PK\x05\x06", "is an empty zip archive", "save the model again"),
    (b"Rar!", "is a RAR archive", "unpack it and name the model file in it"),
    (b"7z\xbc\xaf", "is a 7z archive", "unpack it and name the model file in it"),
    (b"\x04\x22\x4d\x18", "is lz4-compressed", "decompress it first: lz4 -d"),
    (b"\x89PNG", "is an image, not a model", "images are data: pass their folder with --data"),
    (b"\xff\xd8\xff", "is an image, not a model", "images are data: pass their folder with --data"),
    (b"PAR1", "is a Parquet file, not a model", "tables are data: pass it with --data"),
    (b"MATLAB", "is a MATLAB file, not a model", "arrays are data: pass it with --data"),
    (b"SQLite format 3", "is a database, not a model", "name the file that torch.save wrote"),
    (b"\x7fELF", "is a compiled program, not a model", "name the file that torch.save wrote"),
    (b"%PDF", "is a PDF document, not a model", "name the file that torch.save wrote"),
)


@dataclass(frozen=True, slots=True)
class Sniffed:
    """What the bytes of a file say it is.

    Attributes:
        kind: One of "torch zip", "torch legacy", "torchscript", "torch export", "safetensors", "pickle".
        path: The file, as it was named.
        size: Its size in bytes.
        root: The folder inside the zip that holds everything, with its slash; empty if there is none.
    """

    kind: Kind
    path: str
    size: int
    root: str = ""


def open_regular(path: str | os.PathLike[str]) -> BufferedReader:
    """Open a regular file for reading, and nothing else: no folder, pipe or device.

    Args:
        path: The file.

    Raises:
        ModelError: If it is missing, unreadable, a directory, or not a regular file.
    """
    shown = printable(os.fspath(path), limit=300)
    try:
        mode = Path(path).stat().st_mode
        if stat.S_ISDIR(mode):
            hint = "name a file in it, for example its model.safetensors"
            raise ModelError(f"{shown}: is a directory, not a file", hint)
        if not stat.S_ISREG(mode):
            raise ModelError(f"{shown}: is not a regular file", "copy it to a file first")
        return Path(path).open("rb")
    except FileNotFoundError as error:
        raise _absent(os.fspath(path), shown) from error
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "not a possible path"
        raise ModelError(f"{shown}: cannot be read ({why})", "check the path and its permissions") from error


def _absent(path: str, shown: str) -> ModelError:
    """Say what was meant by a path that is none."""
    scheme, colon, rest = path.partition("://")
    if not colon and ":/" in path:  # a Path has one slash where the user wrote two
        scheme, colon, rest = path.partition(":/")
    if colon and scheme.lower() in _SCHEMES:
        tool = "hf download" if scheme.lower() == "hf" or "huggingface.co" in rest else "curl -LO"
        return ModelError(f"{shown}: is an address, not a file", f"download it first ({tool}), and name the file")
    if path == "-":
        return ModelError("-: standard input is not read", "write it to a file, and name that")
    if "\0" not in path and Path(path).is_symlink():
        target = printable(os.fspath(Path(path).readlink()), limit=120)
        return ModelError(f"{shown}: is a link to {target}, which does not exist", "download what it points to")
    if re.fullmatch(r"[\w.-]+/[\w.-]+", path) and not Path(path).parent.exists():
        hint = f"check the path; a model of the Hugging Face Hub is downloaded first: hf download {path} --local-dir ."
        return ModelError(f"{shown}: no such file", hint)
    return ModelError(f"{shown}: no such file", "check the path")


def sniff(path: str | os.PathLike[str]) -> Sniffed:
    """Tell the kind of a model file from its head and, for a zip, its directory; nothing is loaded.

    Args:
        path: The file.

    Returns:
        Its kind, size, and the top folder inside the zip.

    Raises:
        ModelError: If the file cannot be read, or is something else than a model; the message says what.
    """
    shown = printable(os.fspath(path), limit=300)
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        head = file.read(_HEAD)
        if not head:
            raise ModelError(f"{shown}: is empty", "save or download it again")
        if head.startswith(_ZIP):
            kind, root = _zip_kind(file, shown)
            return Sniffed(kind, shown, size, root)
    return Sniffed(_flat_kind(head, size, shown), shown, size)


def _flat_kind(head: bytes, size: int, shown: str) -> Kind:
    for magic, what, hint in _NAMED:
        if head.startswith(magic):
            raise ModelError(f"{shown}: {what}", hint)
    if head[4:8] in (b"TFL3", b"ET12"):
        kind = "TensorFlow Lite" if head[4:8] == b"TFL3" else "ExecuTorch"
        raise ModelError(f"{shown}: is a program of {kind}, not a torch model", "use the torch model it came from")
    if not any(head):
        raise ModelError(
            f"{shown}: begins with nothing but zeros: it was not written whole", "copy or download it again"
        )
    if head[257:262] == b"ustar":  # before pickles: torch unpacks what is both
        raise ModelError(f"{shown}: is a tar archive", "unpack it and name the model file in it")
    if len(head) > 1 and head[0] == 0x80 and 2 <= head[1] <= 5:
        return "torch legacy" if _LEGACY_MAGIC in head[:24] else "pickle"
    if head[8:9] == b"{":
        length = int.from_bytes(head[:8], "little")
        if length <= MAX_SAFETENSORS_HEADER and 8 + length <= size:
            return "safetensors"
        if not head[:8].isascii() or b"\x00" in head[:8]:
            what = f"a safetensors file whose header claims {length:,} bytes, of {size:,} in the file"
            raise ModelError(f"{shown}: is {what}: damaged or truncated", "download or save it again")
    start = head.lstrip().lower()
    if start.startswith((b"<!doctype", b"<html", b"<?xml", b"<head", b"<body")):
        raise ModelError(
            f"{shown}: is a web page or other markup, not a model", "download the file itself, not its page"
        )
    if _is_text(head):
        # A server's refusal, saved in the place of what was asked for, says so itself.
        begins = printable(" ".join(head.decode("utf-8", "ignore").split()), limit=60)
        quoted = f" ({begins})" if begins else ""
        raise ModelError(f"{shown}: is a text file, not a model{quoted}", "name the file that torch.save wrote")
    # ONNX has no magic number: field 1 (ir_version) as a small number, then field 2 (producer) as text.
    if len(head) > 2 and head[0] == 0x08 and 1 <= head[1] <= 32 and head[2] in b"\x12\x1a\x22\x2a\x3a\x42":
        what = "looks like an ONNX model, which propstats cannot read"
        raise ModelError(f"{shown}: {what}", "use the torch model it came from")
    raise ModelError(f"{shown}: is not a model file of a known kind", "known: torch.save files and safetensors")


def _is_text(head: bytes) -> bool:
    # Incremental: a character cut in half where the head ends is still text.
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return False
    return all(c.isprintable() or c.isspace() for c in text)


def _zip_kind(file: BufferedReader, shown: str) -> tuple[Kind, str]:
    names = [info.filename for info in directory(file, shown).infolist()]
    tops = {name.split("/", 1)[0] if "/" in name else "" for name in names}
    root = f"{tops.pop()}/" if len(tops) == 1 and "" not in tops else ""
    inner = {name.removeprefix(root) for name in names}
    if "constants.pkl" in inner or any(name.startswith("code/") for name in inner):
        return "torchscript", root
    if inner & {"archive_format", "models/model.json", "serialized_exported_program.json"}:
        return "torch export", root
    if "data.pkl" in inner:
        return "torch zip", root
    if "version" in inner and "byteorder" in inner:
        raise ModelError(f"{shown}: torch.save stopped half-way: no data.pkl in it", "save the model again")
    if names and all(name.endswith(".npy") for name in names):
        raise ModelError(f"{shown}: holds NumPy arrays, not a model", "arrays are data: pass it with --data")
    if "model.weights.h5" in inner:
        raise ModelError(f"{shown}: is a Keras model, not a torch model", "convert its weights to safetensors")
    what = f"{shown}: is a zip archive that torch.save did not write"
    inside = ", ".join(printable(name, limit=60) for name in names[:3] if not name.endswith("/"))
    raise ModelError(what, f"unpack it and name the model file in it: {inside or 'it is empty'}")


def directory(file: BufferedReader, shown: str) -> zipfile.ZipFile:
    """Open the directory of a zip archive.

    Args:
        file: The open archive.
        shown: How to name it in the error.

    Raises:
        ModelError: If the directory cannot be read.
    """
    try:
        file.seek(0)
        return zipfile.ZipFile(file)
    except Exception as error:  # zipfile lets struct, Unicode, OS and value errors through on damaged files
        damaged = f"{shown}: the zip archive is truncated or damaged: its directory cannot be read"
        raise ModelError(damaged, "download or save it again") from error
