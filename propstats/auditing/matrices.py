"""The matrices of weights in a file, with a unit's weights in each row."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import nn

from propstats.auditing.composed import composed
from propstats.auditing.data.files import read_file
from propstats.auditing.loading.access import SAFE, Access
from propstats.auditing.loading.folders import is_folder
from propstats.auditing.loading.load import network_of, read_content
from propstats.auditing.loading.sniff import open_regular
from propstats.auditing.provenance import ModelInfo
from propstats.auditing.records import Skipped
from propstats.errors import ModelError
from propstats.nn.rows import TRANSPOSED, rows_first
from propstats.text import printable

_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_LOOKED_UP = (nn.Embedding, nn.EmbeddingBag)


@dataclass(frozen=True, slots=True)
class Matrix:
    """One weight.

    Args:
        name: Its name in the file.
        kind: The layer it belongs to, or `weight` if the file does not say.
        shape: Its shape there.
        rows: The weights of one unit in each row.
        groups: Groups of rows with inputs of their own.
        module: The layer, if the file holds a network.
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    rows: torch.Tensor
    groups: int = 1
    module: nn.Module | None = None


@dataclass(frozen=True, slots=True)
class Matrices:
    """All weights of a file.

    Args:
        model: The file.
        found: Its weights.
        skipped: What has two axes or more and is no weight, with the reason.
        tensors: All tensors of the file by name, those with one axis too.
    """

    model: ModelInfo
    found: tuple[Matrix, ...]
    skipped: tuple[Skipped, ...]
    tensors: Mapping[str, torch.Tensor]


def read_matrices(path: str | os.PathLike[str], access: Access = SAFE) -> Matrices:
    """Read the weights of a .npy array, of a state_dict or safetensors, or of a pickled network; nothing is executed.

    Filters are flattened. In a network, transposed convolutions and groups are taken for what they are; weights without
    a network have their rows as they are stored.

    Args:
        path: The file; its kind is told from its bytes.
        access: What is permitted when the file is loaded, and what its weights belong to.

    Raises:
        UnsafeModelError: If loading the file would execute code; nothing was executed.
        ModelError: If the file cannot be used, or holds no weights.
        DataError: If an array file cannot be used.
    """
    if _is_array(path):
        if access.arch is not None:
            raise ModelError(f"{printable(os.fspath(path), limit=300)}: an array needs no network", "drop --arch")
        array = read_file(path)
        is_plain = array.inputs.dtype in (np.float32, np.float64)
        weight = torch.from_numpy(np.array(array.inputs, dtype=None if is_plain else np.float64))
        shown = printable(os.fspath(path), limit=300)
        matrix = Matrix("array", "weight", tuple(weight.shape), weight.flatten(1))
        return Matrices(
            ModelInfo(shown, array.sha256, "array", False, weight.numel()), (matrix,), (), {"array": weight}
        )
    content = read_content(path, access)
    info, notes = content.info, content.info.notes
    held = content.content
    if isinstance(held, torch.jit.ScriptModule):  # a program, whose layers are not those of torch.nn
        held = dict(held.state_dict())
    model = held if isinstance(held, nn.Module) else None
    if isinstance(held, dict) and access.arch is not None:
        model, unfit = network_of(held, info, access)
        notes = (*notes, *unfit)
    if model is not None:
        try:
            entries = list(_of_modules(model))
        except (RuntimeError, TypeError, ValueError, ZeroDivisionError) as error:  # a file may hold any settings
            what = "its layers' settings do not fit their weights"
            raise ModelError(f"{info.path}: {what}", "save the network again") from error
        count = sum(parameter.numel() for parameter in model.parameters())
        tensors = {name: _computable(tensor) for name, tensor in (*model.named_parameters(), *model.named_buffers())}
    else:
        assert isinstance(held, dict)
        plain = {key: _computable(value) for key, value in held.items() if isinstance(value, torch.Tensor)}
        tensors, together = composed(plain)
        if together:
            what = f"{together} weight{'s were' if together > 1 else ' was'} put together"
            notes = (*notes, f"{what}: pruned ones with their masks, normalised ones from lengths and directions")
        entries = [_plain(key, "weight", tensor) for key, tensor in tensors.items() if tensor.ndim > 1]
        count = sum(tensor.numel() for tensor in tensors.values())
    found = tuple(entry for entry in entries if isinstance(entry, Matrix))
    if not found:
        raise ModelError(
            f"{info.path}: holds no matrix of weights", "a weight is of floating point, with two axes or more"
        )
    skipped = tuple(entry for entry in entries if isinstance(entry, Skipped))
    return Matrices(replace(info, parameters=count, notes=notes), found, skipped, tensors)


def _is_array(path: str | os.PathLike[str]) -> bool:
    if is_folder(path):
        return False
    with open_regular(path) as file:
        return file.read(6) == b"\x93NUMPY"


def _of_modules(model: nn.Module) -> Iterator[Matrix | Skipped]:
    seen: set[int] = set()
    for name, module in model.named_modules():
        for part, parameter in module.named_parameters(recurse=False):
            if parameter.ndim < 2 or id(parameter) in seen:
                continue
            seen.add(id(parameter))
            shown = printable(f"{name}.{part}".lstrip("."), limit=80)
            if isinstance(module, _LOOKED_UP):
                yield Skipped(shown, "rows of an embedding are looked up, not multiplied")
            elif isinstance(module, (*_CONVOLUTIONS, *TRANSPOSED)) and part == "weight":
                weight = parameter.detach()
                rows = rows_first(module, weight)
                if len(rows) % int(module.groups):
                    raise ValueError("groups")
                yield Matrix(shown, type(module).__name__, tuple(weight.shape), rows, int(module.groups), module)
            else:
                yield _plain(shown, type(module).__name__, parameter.detach(), module)


def _plain(name: str, kind: str, tensor: torch.Tensor, module: nn.Module | None = None) -> Matrix | Skipped:
    shown = printable(name, limit=80)
    if not tensor.is_floating_point():
        return Skipped(shown, f"holds {str(tensor.dtype).removeprefix('torch.')} values, not weights")
    if tensor.numel() == 0:
        return Skipped(shown, "is empty")
    return Matrix(shown, kind, tuple(tensor.shape), _computable(tensor).flatten(1), module=module)


def _computable(tensor: torch.Tensor) -> torch.Tensor:
    """Return the numbers of a weight; those of eight bits in single precision, as torch computes nothing with them."""
    plain = tensor.detach()
    return plain.float() if plain.is_floating_point() and plain.itemsize == 1 else plain
