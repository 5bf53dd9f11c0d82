"""Where in a checkpoint the weights are."""

import re
from collections.abc import Iterator
from typing import Final

import torch
from torch import nn

from propstats.auditing.loading.aside import SetAside
from propstats.errors import ModelError
from propstats.text import printable

_WRAPPERS: Final = ("state_dict", "model_state_dict", "model_state", "model", "module", "net", "network", "weights",
    "params", "params_ema", "ema", "ema_state_dict", "model_ema", "ema_model")  # fmt: skip
_HINT: Final = "save model.state_dict() with torch.save"
_LISTED: Final = 5
_PLAIN: Final = re.compile(r"\w[\w.-]*")


def find_weights(
    content: object, *, name: str, key: str | None = None
) -> tuple[nn.Module | dict[str, object], tuple[str, ...]]:
    """Find the weights, or the whole module, in what a file held.

    Args:
        content: What was loaded: a module, a state_dict, or a checkpoint around one (up to three levels deep). Where a
            checkpoint has several, the one with a usual name counts; weights under an unusual name do if they are the
            only ones.
        name: How to name the file in the error.
        key: Where to look instead: a key, keys with dots between them, or what names of weights begin with.

    Returns:
        The module, or the weights by name; and what a reader should know of the choice.

    Raises:
        ModelError: If there are neither, several to choose from, or none under the key.

    >>> two = {"old": {"weight": torch.zeros(2, 2)}, "new": {"weight": torch.ones(2, 2)}}
    >>> find_weights(two, name="two.pt", key="new")[1]
    ('the weights are those under new',)
    """
    notes: list[str] = []
    if key is not None:
        content = _under(content, key, name)
        notes.append(f"the weights are those under {printable(key, limit=60)}")
    for _ in range(3):
        if not isinstance(content, dict):
            break
        candidates = [key for key, value in content.items() if _holds_weights(value)]
        chosen = next((key for key in _WRAPPERS if key in candidates), None)
        if chosen is None and not _has_matrices(content):
            chosen = candidates[0] if len(candidates) == 1 else None
            if len(candidates) > 1:
                raise _several(candidates, name)
        if chosen is None:
            break
        others = [printable(key, limit=30) for key in candidates if key != chosen]
        if others or chosen not in _WRAPPERS:
            also = f"; also there, for --key: {', '.join(others[:_LISTED])}" if others else ""
            notes.append(f"the weights are those under {printable(chosen, limit=30)}{also}")
        content = content[chosen]
    if isinstance(content, nn.Module):
        return content, tuple(notes)
    return _weights(content, name), tuple(notes)


def _under(content: object, key: str, name: str) -> object:
    """Return what lies under a key of a checkpoint, of a dictionary in it, or of the names of its weights."""
    shown = printable(key, limit=60)
    if not isinstance(content, dict):
        raise without_keys("is no dictionary", name)
    if key in content:
        return content[key]
    named = {full.removeprefix(f"{key}."): value for full, value in content.items() if _begins(full, key)}
    if named:
        return named
    for full, value in content.items():
        if isinstance(value, dict) and isinstance(full, str) and key.startswith(f"{full}."):
            return _under(value, key.removeprefix(f"{full}."), name)
    keys = list(dict.fromkeys(printable(full, limit=30).partition(".")[0] for full in content))
    there = ", ".join(keys[:_LISTED]) + (f" and {len(keys) - _LISTED} more" if len(keys) > _LISTED else "")
    raise ModelError(f"{name}: holds nothing under {shown}", f"--key takes one of what is there: {there or 'nothing'}")


def without_keys(what: str, name: str) -> ModelError:
    """Return what to raise where a key is given and there is nothing to choose from.

    Args:
        what: What the file is.
        name: How to name it.
    """
    return ModelError(f"{name}: {what}, so there are no keys to choose from", "drop --key")


def _begins(name: object, key: str) -> bool:
    return isinstance(name, str) and name.startswith(f"{key}.")


def _weights(content: object, name: str) -> dict[str, object]:
    if not isinstance(content, dict):
        what = f"holds a {printable(type(content).__name__, limit=120)}, neither a network nor its weights"
        if isinstance(content, torch.Tensor):
            what = "holds one tensor, no network: tensors are data"
            raise ModelError(f"{name}: {what}", "pass it with --data")
        if isinstance(content, SetAside):
            what = "holds a NumPy array or another object that is left unread, neither a network nor its weights"
        raise ModelError(f"{name}: {what}", "save the module or its state_dict with torch.save")
    if not any(isinstance(value, torch.Tensor) for value in content.values()):
        raise ModelError(f"{name}: {_why_none(content)}", _HINT)
    if not all(isinstance(key, str) for key in content):
        raise ModelError(f"{name}: its weights are not all named by text", _HINT)
    return content


def _why_none(content: dict[object, object]) -> str:
    if {"state", "param_groups"} <= content.keys():
        return "holds the state of an optimiser, and not the network's weights"
    if any(isinstance(value, SetAside) for value in content.values()) and len(content) > 1:
        named = ", ".join(printable(key, limit=30) for key, value in content.items() if isinstance(value, SetAside))
        return f"holds no tensors; NumPy arrays and other objects are left unread ({printable(named, limit=120)})"
    keys = ", ".join(printable(key, limit=30) for key in list(content)[:_LISTED]) or "nothing"
    if any("optim" in str(key).lower() for key in content):
        return f"holds the state of an optimiser ({keys}), and not the network's weights"
    return f"holds no weights that can be told from its keys ({keys})"


def _several(candidates: list[object], name: str) -> ModelError:
    listed = ", ".join(printable(key, limit=30) for key in candidates[:_LISTED])
    more = f" and {len(candidates) - _LISTED} more" if len(candidates) > _LISTED else ""
    # A name out of a file gets into a command only if no shell obeys it.
    first = str(candidates[0])
    hint = f"choose one with --key, as in --key {first if _PLAIN.fullmatch(first) else 'NAME'}"
    return ModelError(f"{name}: holds several sets of weights ({listed}{more})", hint)


def _holds_weights(value: object, depth: int = 3) -> bool:
    """Say whether a value is a network, a state_dict, or a dictionary around one; an optimiser's state is not."""
    if isinstance(value, nn.Module):
        return True
    if not isinstance(value, dict) or depth == 0 or {"state", "param_groups"} <= value.keys():
        return False
    return _has_matrices(value) or any(_holds_weights(inner, depth - 1) for inner in _values(value))


def _has_matrices(found: dict[object, object]) -> bool:
    named = (value for key, value in found.items() if isinstance(key, str))
    return any(isinstance(value, torch.Tensor) and value.ndim > 1 for value in named)


def _values(found: dict[object, object]) -> Iterator[object]:
    return (value for key, value in found.items() if isinstance(key, str))
