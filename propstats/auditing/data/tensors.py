"""Tensors out of files that torch.save or safetensors wrote; nothing in them is executed."""

import warnings
from pathlib import Path
from typing import Final

import torch

from propstats.auditing.data.arrays import pick, together
from propstats.auditing.data.rows import Array, Numbers
from propstats.auditing.data.stream import as_array
from propstats.auditing.loading.archive import check_zip
from propstats.auditing.loading.sniff import open_regular, sniff
from propstats.auditing.loading.validate import check_tensor
from propstats.errors import DataError, ModelError
from propstats.text import printable

_HINT: Final = "save tensors: torch.save({'x': inputs, 'y': labels}, file)"


def read_tensors(path: Path, shown: str) -> Array:
    """Read inputs, and labels if there are any, from tensors in a file.

    Args:
        path: A file of torch.save (a tensor, a pair of tensors, or a dictionary) or of safetensors; dictionaries name
            their tensors as a .npz does.
        shown: How to name the file in an error.

    Raises:
        DataError: If the file is damaged, would execute code, or holds something else.
    """
    try:
        content = _load(path)
        if isinstance(content, list | tuple):
            if not 1 <= len(content) <= 2:
                what = f"a list of {len(content):,} is neither inputs nor inputs and labels"
                raise DataError(f"{shown}: {what}", _HINT)
            content = dict(zip(("x", "y"), content, strict=False))
        named = {"x": content} if isinstance(content, torch.Tensor) else content
        if not isinstance(named, dict):
            raise DataError(f"{shown}: holds a {printable(type(content).__name__, limit=60)}, not tensors", _HINT)
        tensors = {str(key): value for key, value in named.items() if isinstance(value, torch.Tensor)}
        if not tensors:
            raise DataError(f"{shown}: holds no tensors", _HINT)
        for key, value in tensors.items():
            check_tensor(value, name=shown, where=key)
    except ModelError as error:
        raise DataError(error.message, _HINT) from error
    key, label_key = pick(list(tensors), shown)
    labels: Numbers | None = None if label_key is None else as_array(tensors[label_key], shown)
    return together(as_array(tensors[key], shown), labels, shown)


def _load(path: Path) -> object:
    found = sniff(path)
    if found.kind not in ("torch zip", "torch legacy", "safetensors"):
        raise DataError(f"{found.path}: is a {found.kind} file, which may run code; nothing was executed", _HINT)
    with open_regular(path) as file:
        if found.kind == "torch zip":
            check_zip(file, name=found.path)
        file.seek(0)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                if found.kind == "safetensors":
                    from safetensors.torch import load

                    return load(file.read())
                return torch.load(file, map_location="cpu", weights_only=True, mmap=False)
        except Exception as error:  # a dozen kinds, with advice to switch the guard off
            what = f"cannot be read ({type(error).__name__}): it is damaged, or holds more than tensors"
            raise DataError(f"{found.path}: {what}; nothing was executed", _HINT) from error
