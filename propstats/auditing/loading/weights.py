"""Weights without a network, put into the one that they belong to."""

import warnings
from collections.abc import Mapping
from typing import Final

import torch
from torch import nn

from propstats.errors import ModelError
from propstats.text import printable

#: What DataParallel, torch.compile and trainers put in front of the names.
_PREFIXES: Final = ("module.", "_orig_mod.", "model.", "net.", "network.")
_LISTED: Final = 10


def load_weights(
    model: nn.Module, weights: Mapping[str, object], *, name: str, arch: str, partial: bool = False
) -> tuple[str, ...]:
    """Put weights into a network; every name and every shape has to match, unless a part of them is enough.

    Prefixes that wrappers put in front of the names (`module.`, `_orig_mod.`, `model.`, `net.`) make no difference. A
    weight that the network ties to another one need not be there twice.

    Args:
        model: The network; changed in place.
        weights: Its weights by name.
        name: How to name the file in the error.
        arch: How to name the network in the error.
        partial: Whether to go on with the weights that fit.

    Returns:
        What did not fit, in words.

    Raises:
        ModelError: If names are missing, unexpected, or of another shape; the first of each are listed.
    """
    own = model.state_dict()
    renamed = _renamed(weights, own)
    missing = _missing(own, renamed)
    unexpected = [key for key in renamed if key not in own]
    others = _of_another_shape(own, renamed)
    groups = (("missing", missing), ("unexpected", unexpected), ("of another shape", list(others.values())))
    mismatch = "; ".join(f"{len(found)} {word} ({_first(found)})" for word, found in groups if found)
    hint = "is this the factory, and are these the sizes, it was trained with?"
    shown = printable(arch, limit=120)
    if mismatch and not partial:
        raise ModelError(
            f"{name}: the weights do not fit {shown}: {mismatch}", f"{hint} --partial goes on with what fits"
        )
    fitting = {key: value for key, value in renamed.items() if key in own and key not in others}
    if not fitting:
        raise ModelError(f"{name}: no weight of the file fits {shown}: {mismatch}", hint)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model.load_state_dict(fitting, strict=False)
    except Exception as error:  # load_state_dict may run hooks of the network, which may raise anything
        what = f"the weights do not fit {shown}: load_state_dict failed ({type(error).__name__})"
        raise ModelError(f"{name}: {what}", hint) from error
    return (f"weights do not fit all of {shown}: {mismatch}",) if mismatch else ()


def _bare(key: str) -> str:
    while (prefix := next((prefix for prefix in _PREFIXES if key.startswith(prefix)), None)) is not None:
        key = key.removeprefix(prefix)
    return key


def _renamed(weights: Mapping[str, object], own: Mapping[str, torch.Tensor]) -> dict[str, object]:
    """Name weights as the network does, where wrappers' prefixes are all that differs."""
    by_bare: dict[str, list[str]] = {}
    for key in own:
        by_bare.setdefault(_bare(key), []).append(key)
    taken = {key for key in weights if key in own}
    renamed = {}
    for key, value in weights.items():
        candidates = by_bare.get(_bare(key), [])
        if key not in own and len(candidates) == 1 and candidates[0] not in taken:
            key = candidates[0]
            taken.add(key)
        renamed[key] = value
    return renamed


def _missing(own: Mapping[str, torch.Tensor], weights: Mapping[str, object]) -> list[str]:
    def place(key: str) -> tuple[int, int] | None:
        try:
            return own[key].untyped_storage().data_ptr(), int(own[key].storage_offset())
        except (RuntimeError, ValueError, AttributeError, TypeError):  # a lazy parameter has none, nor an extra state
            return None

    there = {place(key) for key in own if key in weights} - {None}
    return [key for key in own if key not in weights and place(key) not in there]


def _of_another_shape(own: Mapping[str, torch.Tensor], weights: Mapping[str, object]) -> dict[str, str]:
    found = {}
    for key, value in weights.items():
        if key in own and isinstance(value, torch.Tensor):
            try:
                if own[key].shape != value.shape:
                    found[key] = f"{key} {_size(value)} instead of {_size(own[key])}"
            except (RuntimeError, AttributeError):  # a lazy parameter has no shape yet
                continue
    return found


def _size(tensor: torch.Tensor) -> str:
    return "x".join(str(size) for size in tensor.shape) or "scalar"


def _first(names: list[str]) -> str:
    more = ", ..." if len(names) > _LISTED else ""
    return ", ".join(printable(name, limit=80) for name in names[:_LISTED]) + more
