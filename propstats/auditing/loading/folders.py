"""A folder with a model in it: its configuration, and weights in one safetensors file or several."""

import hashlib
import json
import os
from pathlib import Path
from typing import Final

import torch

from propstats.auditing.loading.content import ModelContent, check_weights, read_safetensors
from propstats.auditing.loading.sniff import open_regular, sniff
from propstats.auditing.provenance import ModelInfo
from propstats.errors import ModelError
from propstats.text import printable

_WEIGHTS: Final = ("model.safetensors", "diffusion_pytorch_model.safetensors")
_INDEX: Final = "model.safetensors.index.json"
_MOST_INDEX: Final = 100_000_000
_MOST_SHARDS: Final = 10_000


def is_folder(path: str | os.PathLike[str]) -> bool:
    """Say whether a path is a folder; a path that cannot be is none."""
    try:
        return Path(path).is_dir()
    except (OSError, ValueError):
        return False


def read_folder(path: str | os.PathLike[str]) -> ModelContent:
    """Read the weights of a folder as Hugging Face writes them: safetensors only, nothing is executed.

    Args:
        path: The folder, with model.safetensors, or with its parts and an index of them.

    Raises:
        ModelError: If there are none, one is damaged, or the index names a file outside the folder.
    """
    folder = Path(path)
    shown = printable(os.fspath(path), limit=300)
    try:
        parts, index = _parts(folder, shown)
    except OSError as error:
        raise ModelError(f"{shown}: cannot be read ({error.strerror})", "check the folder's permissions") from error
    weights: dict[str, object] = {}
    lines = []
    for part in sorted(parts):
        found = sniff(folder / part)
        if found.kind != "safetensors":
            raise ModelError(f"{found.path}: is no safetensors file", "download it again")
        with open_regular(folder / part) as file:
            lines.append(f"{hashlib.file_digest(file, 'sha256').hexdigest()}  {part}\n")
        tensors = read_safetensors(folder / part, found.path)
        twice = next((key for key in tensors if key in weights), None)
        if twice is not None:
            raise ModelError(f"{found.path}: tensor {printable(twice, limit=60)} is in two parts", "download it again")
        weights.update(tensors)
    absent = [key for key in index if key not in weights]
    if absent:
        named = f"{len(absent)} tensors of the index are in no part ({printable(absent[0], limit=60)}, ...)"
        raise ModelError(f"{shown}: {named}", "download the folder again")
    count = check_weights(weights, name=shown)
    sha256 = hashlib.sha256("".join(lines).encode()).hexdigest()
    info = ModelInfo(shown, sha256, "Hugging Face folder", False, count, "safe", (), torch.__version__)
    return ModelContent(weights, info)


def _parts(folder: Path, shown: str) -> tuple[set[str], list[str]]:
    """Return the names of the files with weights, and those of the tensors that have to be in them."""
    for name in _WEIGHTS:
        if (folder / name).is_file():
            return {name}, []
    if (folder / _INDEX).is_file():
        return _indexed(folder, shown)
    if (folder / ".metadata").is_file() and any(folder.glob("*.distcp")):
        what = "is a distributed checkpoint"
        raise ModelError(
            f"{shown}: {what}", "python -m torch.distributed.checkpoint.format_utils dcp_to_torch makes one file"
        )
    if (folder / "saved_model.pb").is_file():
        raise ModelError(f"{shown}: is a TensorFlow model, not a torch model", "convert its weights to safetensors")
    pickled = next(folder.glob("pytorch_model*.bin"), None)
    if pickled is not None:
        raise ModelError(f"{shown}: its weights are pickled", f"name the file itself: {printable(pickled, limit=200)}")
    raise ModelError(f"{shown}: is a directory without model.safetensors", "name the model file in it")


def _indexed(folder: Path, shown: str) -> tuple[set[str], list[str]]:
    hint = "download the folder again"
    path = folder / _INDEX
    try:
        if path.stat().st_size > _MOST_INDEX:
            raise ValueError
        found = json.loads(path.read_bytes())["weight_map"]
        pairs = [(key, part) for key, part in found.items() if isinstance(part, str)]
        if not pairs or len(pairs) != len(found):
            raise ValueError
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ModelError(f"{shown}: {_INDEX} cannot be read", hint) from error
    parts = {part for _, part in pairs}
    for part in sorted(parts):
        # A name in a file must not lead out of the folder.
        if "/" in part or "\\" in part or not part.endswith(".safetensors") or "\0" in part:
            what = f"its index names {printable(part, limit=60)}, which is no safetensors file of this folder"
            raise ModelError(f"{shown}: {what}", hint)
    if len(parts) > _MOST_SHARDS:
        raise ModelError(f"{shown}: its index names {len(parts):,} files", hint)
    return parts, [key for key, _ in pairs]
