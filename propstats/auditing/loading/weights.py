"""Weights without a network: find them in a checkpoint, build the network the user names, and put them in."""

import importlib
import sys
import warnings
from collections.abc import Mapping
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any, Final

import torch
from torch import nn

from propstats.errors import DomainError, ModelError
from propstats.text import printable

_WRAPPERS: Final = ("state_dict", "model_state_dict", "model_state", "model")
_PREFIXES: Final = ("module.", "_orig_mod.")
_LISTED: Final = 5


def find_weights(content: object, *, name: str) -> nn.Module | dict[str, object]:
    """Find the weights, or the whole module, in what a file held.

    Args:
        content: What was loaded: a module, a state_dict, or a checkpoint around one (up to two levels deep).
        name: How to name the file in the error.

    Returns:
        The module, or the weights by name.

    Raises:
        ModelError: If there are neither.
    """
    for _ in range(3):
        if isinstance(content, nn.Module):
            return content
        inner = None
        if isinstance(content, dict):
            inner = next((content[key] for key in _WRAPPERS if _wraps(content.get(key))), None)
        if inner is None:
            break
        content = inner
    if not isinstance(content, dict):
        what = f"holds a {printable(type(content).__name__, limit=120)}, neither a network nor its weights"
        raise ModelError(f"{name}: {what}", "save the module or its state_dict with torch.save")
    if not any(isinstance(value, torch.Tensor) for value in content.values()):
        keys = ", ".join(printable(key, limit=30) for key in list(content)[:_LISTED]) or "nothing"
        what = f"holds no weights that can be told from its keys ({keys})"
        raise ModelError(f"{name}: {what}", "save model.state_dict() with torch.save")
    if not all(isinstance(key, str) for key in content):
        raise ModelError(f"{name}: its weights are not all named by text", "save model.state_dict() with torch.save")
    return content


def _wraps(value: object) -> bool:
    return isinstance(value, nn.Module) or (isinstance(value, dict) and len(value) > 0)


def build(arch: str) -> nn.Module:
    """Import the user's factory and call it; the current directory is importable meanwhile.

    Args:
        arch: `package.module:factory`, called without arguments.

    Returns:
        The network, with real memory behind its weights.

    Raises:
        DomainError: If `arch` has another form.
        ModelError: If the import or the factory fails, or does not give a module.
    """
    shown = printable(arch, limit=120)
    module_name, _, attribute = arch.partition(":")
    if not all(part.isidentifier() for part in [*module_name.split("."), *attribute.split(".")]):
        raise DomainError(f"arch {shown!r} is not of the form package.module:factory", "e.g. mypackage.models:make")
    here = str(Path.cwd())
    sys.path.insert(0, here)
    try:
        # Whatever the user's code prints is not the answer.
        with redirect_stdout(sys.stderr):
            importlib.invalidate_caches()
            factory: Any = importlib.import_module(module_name)
            for part in attribute.split("."):
                factory = getattr(factory, part)
            model = factory() if not isinstance(factory, nn.Module) else None
    except (Exception, SystemExit) as error:
        lines = str(error).splitlines()
        reason = f"{type(error).__name__}: {printable(lines[0], limit=120)}" if lines else type(error).__name__
        raise ModelError(f"--arch {shown} failed: {reason}", "it must import and build without arguments") from error
    finally:
        if here in sys.path:
            sys.path.remove(here)
    if not isinstance(model, nn.Module):
        got = "is a module, not a factory" if model is None else f"gave a {type(model).__name__}, not a module"
        raise ModelError(f"--arch {shown} {got}", "name a function or class that returns a torch.nn.Module")
    if any(tensor.device.type == "meta" for tensor in [*model.parameters(), *model.buffers()]):
        raise ModelError(f"--arch {shown} builds on the meta device, without memory", "build on the CPU")
    return model


def load_weights(model: nn.Module, weights: Mapping[str, object], *, name: str, arch: str) -> None:
    """Put weights into a network; every name and every shape has to match.

    Args:
        model: The network; changed in place.
        weights: Its weights by name; a prefix that all names share (`module.`, `_orig_mod.`) is taken off.
        name: How to name the file in the error.
        arch: How to name the network in the error.

    Raises:
        ModelError: If names are missing, unexpected, or of another shape; the first of each are listed.
    """
    own = model.state_dict()
    stripped = dict(weights)
    while stripped.keys() != own.keys():
        prefix = next((p for p in _PREFIXES if all(key.startswith(p) for key in stripped)), None)
        if prefix is None:
            break
        stripped = {key.removeprefix(prefix): value for key, value in stripped.items()}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model.load_state_dict(stripped, strict=True)
    except Exception as error:  # load_state_dict may run hooks of the network, which may raise anything
        what = _mismatch(own, stripped) or f"load_state_dict failed ({type(error).__name__})"
        message = f"{name}: the weights do not fit {printable(arch, limit=120)}: {what}"
        raise ModelError(message, "is this the factory, and are these the sizes, it was trained with?") from error


def _mismatch(own: Mapping[str, torch.Tensor], weights: Mapping[str, object]) -> str:
    missing = [key for key in own if key not in weights]
    unexpected = [key for key in weights if key not in own]
    shapes = []
    for key, value in weights.items():
        if key in own and isinstance(value, torch.Tensor):
            try:
                if own[key].shape != value.shape:
                    shapes.append(f"{key} {_size(value)} instead of {_size(own[key])}")
            except RuntimeError:  # a lazy parameter has no shape yet
                continue
    groups = (("missing", missing), ("unexpected", unexpected), ("of another shape", shapes))
    return "; ".join(f"{len(found)} {word} ({_first(found)})" for word, found in groups if found)


def _size(tensor: torch.Tensor) -> str:
    return "x".join(str(size) for size in tensor.shape) or "scalar"


def _first(names: list[str]) -> str:
    more = ", ..." if len(names) > _LISTED else ""
    return ", ".join(printable(name, limit=80) for name in names[:_LISTED]) + more
