"""A folder with a model in it: its configuration, and weights in one file or several."""

import hashlib
import json
import os
import shlex
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

import torch

from propstats.auditing.loading.access import Access
from propstats.auditing.loading.content import ModelContent, check_size, check_weights, read_file, read_safetensors
from propstats.auditing.loading.sniff import open_regular, sniff
from propstats.auditing.provenance import ModelInfo
from propstats.errors import ModelError
from propstats.text import printable

_WEIGHTS: Final = ("model.safetensors", "diffusion_pytorch_model.safetensors", "pytorch_model.bin")
#: Indexes of parts, and the suffix that the parts have; what can be read without unpickling comes first.
_INDEXES: Final = ("model.safetensors.index.json", "diffusion_pytorch_model.safetensors.index.json",
    "pytorch_model.bin.index.json")  # fmt: skip
_MOST_INDEX: Final = 100_000_000
_MOST_SHARDS: Final = 10_000
_MOST_LOOKED_AT: Final = 200
_LISTED: Final = 3


def is_folder(path: str | os.PathLike[str]) -> bool:
    """Say whether a path is a folder; a path that cannot be is none."""
    try:
        return Path(path).is_dir()
    except (OSError, ValueError):
        return False


def read_folder(path: str | os.PathLike[str], access: Access) -> ModelContent:
    """Read the weights of a folder as Hugging Face writes them, without executing anything in them.

    Args:
        path: The folder, with model.safetensors or pytorch_model.bin, or with their parts and an index of them.
        access: What is permitted.

    Raises:
        ModelError: If there are none, one is damaged, or the index names a file outside the folder.
    """
    folder = Path(path)
    shown = printable(os.fspath(path), limit=300)
    try:
        parts, index = _parts(folder, shown)
    except OSError as error:
        raise ModelError(f"{shown}: cannot be read ({error.strerror})", "check the folder's permissions") from error
    check_size(sum((folder / part).stat().st_size for part in parts if (folder / part).is_file()), shown)
    weights: dict[str, object] = {}
    lines: list[str] = []
    notes: list[str] = []
    for part in sorted(parts):
        tensors, more = _part(folder / part, access)
        notes += more
        with open_regular(folder / part) as file:
            lines.append(f"{hashlib.file_digest(file, 'sha256').hexdigest()}  {part}\n")
        twice = next((key for key in tensors if key in weights), None)
        if twice is not None:
            where = printable(os.fspath(folder / part), limit=300)
            raise ModelError(f"{where}: tensor {printable(twice, limit=60)} is in two parts", "download it again")
        weights.update(tensors)
    absent = [key for key in index if key not in weights]
    if absent:
        named = f"{len(absent)} tensors of the index are in no part ({printable(absent[0], limit=60)}, ...)"
        raise ModelError(f"{shown}: {named}", "download the folder again")
    count = check_weights(weights, name=shown)
    sha256 = hashlib.sha256("".join(lines).encode()).hexdigest()
    info = ModelInfo(shown, sha256, "Hugging Face folder", False, count, "safe", (), torch.__version__, tuple(notes))
    return ModelContent(weights, info)


def _part(path: Path, access: Access) -> tuple[dict[str, object], tuple[str, ...]]:
    """Return the weights in one file of a folder."""
    found = sniff(path)
    if path.suffix == ".safetensors":
        if found.kind != "safetensors":
            raise ModelError(f"{found.path}: is no safetensors file", "download it again")
        return read_safetensors(path, found.path), ()
    read = read_file(path, access)
    if not isinstance(read.content, dict):
        raise ModelError(f"{found.path}: holds a network, and not a part of its weights", "name the file itself")
    return read.content, read.info.notes


def _parts(folder: Path, shown: str) -> tuple[set[str], list[str]]:
    """Return the names of the files with weights, and those of the tensors that have to be in them."""
    here = {name for name in (*_WEIGHTS, *_INDEXES) if (folder / name).is_file()}
    for suffix in (".safetensors", ".bin"):
        single = next((name for name in _WEIGHTS if name in here and name.endswith(suffix)), None)
        if single is not None:
            return {single}, []
        index = next((name for name in _INDEXES if name in here and f"{suffix}." in name), None)
        if index is not None:
            return _indexed(folder, shown, index, suffix)
    raise _other_folder(folder, shown)


def _other_folder(folder: Path, shown: str) -> ModelError:
    """Say what a folder is that Hugging Face did not write, and what to do."""
    quoted = shlex.quote(shown)
    if _is_distributed(folder):
        command = f"python -m torch.distributed.checkpoint.format_utils dcp_to_torch {quoted} model.pt"
        return ModelError(f"{shown}: is a distributed checkpoint", f"make one file of it: {command}")
    if (folder / "latest").is_file() and next(folder.glob("global_step*"), None) is not None:
        command = f"python -m deepspeed.utils.zero_to_fp32 {quoted} merged"
        return ModelError(f"{shown}: is a DeepSpeed checkpoint", f"put its parts together: {command}")
    if (folder / "saved_model.pb").is_file():
        return ModelError(f"{shown}: is a TensorFlow model, not a torch model", "convert its weights to safetensors")
    inside = [printable(os.fspath(path), limit=120) for path in _models_in(folder)]
    listed = ", ".join(inside[:_LISTED]) + (f" or {len(inside) - _LISTED} more" if len(inside) > _LISTED else "")
    hint = f"name what is in it: {listed}" if inside else "there is no model file in it either: is it the right folder?"
    return ModelError(f"{shown}: is a directory without model.safetensors", hint)


def _is_distributed(folder: Path) -> bool:
    return (folder / ".metadata").is_file() and next(folder.glob("*.distcp"), None) is not None


def _models_in(folder: Path) -> Iterator[Path]:
    """Yield what looks like a model in a folder, by its first bytes."""
    for path in sorted(folder.iterdir())[:_MOST_LOOKED_AT]:
        if path.is_dir():
            known = (path / name for name in (*_WEIGHTS, *_INDEXES))
            if _is_distributed(path) or any(file.is_file() for file in known):
                yield path
        elif not path.name.startswith("."):
            with suppress(ModelError):
                sniff(path)
                yield path


def _indexed(folder: Path, shown: str, index: str, suffix: str) -> tuple[set[str], list[str]]:
    hint = "download the folder again"
    path = folder / index
    try:
        if path.stat().st_size > _MOST_INDEX:
            raise ValueError
        found = json.loads(path.read_bytes())["weight_map"]
        pairs = [(key, part) for key, part in found.items() if isinstance(part, str)]
        if not pairs or len(pairs) != len(found):
            raise ValueError
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ModelError(f"{shown}: {index} cannot be read", hint) from error
    parts = {part for _, part in pairs}
    for part in sorted(parts):
        # A name in a file must not lead out of the folder.
        if "/" in part or "\\" in part or not part.endswith(suffix) or "\0" in part:
            what = f"its index names {printable(part, limit=60)}, which is no {suffix} file of this folder"
            raise ModelError(f"{shown}: {what}", hint)
    if len(parts) > _MOST_SHARDS:
        raise ModelError(f"{shown}: its index names {len(parts):,} files", hint)
    return parts, [key for key, _ in pairs]
