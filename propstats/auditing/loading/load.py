"""A model file -> a network that can be run, without running anything that the file brings along."""

import hashlib
import os
import sys
import threading
import warnings
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from io import BufferedReader
from typing import Final

import torch
from torch import nn

from propstats.auditing.loading.pickles import MODULE_PREFIX, check_construction, global_names
from propstats.auditing.loading.sniff import Sniffed, check_zip, open_regular, sniff
from propstats.auditing.loading.validate import check_module, check_tensor
from propstats.auditing.loading.weights import build, find_weights, load_weights
from propstats.errors import ModelError, UnsafeModelError
from propstats.text import printable

# torch keeps one list of permitted globals for the process, and leaving an inner context empties the outer.
_LOCK: Final = threading.Lock()
_ARCH: Final = "save its state_dict and pass --arch package.module:factory"
_LEGACY_PICKLES: Final = 4  # magic number, protocol, system, object

_Permitted = tuple[Callable[..., object], str]


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A network read from a file.

    Attributes:
        model: The network, in evaluation mode, on the CPU.
        path: The file it came from.
        sha256: Of the file.
        format: "torch module", "torch state_dict", "torch legacy state_dict" or "safetensors".
        trusted: Whether code of the file was permitted to run; always False: none ever is.
        parameters: How many numbers its parameters hold.
    """

    model: nn.Module
    path: str
    sha256: str
    format: str
    trusted: bool
    parameters: int


@dataclass(frozen=True, slots=True)
class ModelContent:
    """What a model file holds: a network, or weights by name; the rest as in `LoadedModel`."""

    content: nn.Module | dict[str, object]
    path: str
    sha256: str
    format: str


def load_model(path: str | os.PathLike[str], *, arch: str | None = None) -> LoadedModel:
    """Load a network from a file without executing anything that the file contains.

    Whole modules are rebuilt if they are made of torch.nn alone. Weights (a state_dict, a checkpoint,
    safetensors) go into the network that `arch` builds; `arch` is the user's own code,
    which is imported and called.

    Args:
        path: The file; its kind is told from its bytes.
        arch: `package.module:factory`, called without arguments; for files that hold weights only.

    Returns:
        The network and where it came from.

    Raises:
        UnsafeModelError: If loading the file would execute code; nothing was executed.
        ModelError: If the file is missing, damaged, of another kind, or does not fit `arch`.
        DomainError: If `arch` is not of the form `package.module:factory`.
    """
    found = read_content(path)
    content = found.content
    if isinstance(content, nn.Module):
        if arch is not None:
            raise ModelError(f"{found.path}: already holds a whole module, so there is nothing to build", "drop --arch")
        model = content
    else:
        if arch is None:
            tensors = [value for value in content.values() if isinstance(value, torch.Tensor)]
            number = f"{len(tensors):,} tensor{'s' if len(tensors) != 1 else ''}"
            count = f"{number}, {sum(value.numel() for value in tensors):,} parameters"
            what = f"holds weights only ({count}), no network to run"
            raise ModelError(f"{found.path}: {what}", "add --arch package.module:factory")
        model = build(arch)
        load_weights(model, content, name=found.path, arch=arch)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    return LoadedModel(_settled(model, found.path), found.path, found.sha256, found.format, False, parameters)


def read_content(path: str | os.PathLike[str]) -> ModelContent:
    """Read what a model file holds, without executing anything in it and without building a network.

    Args:
        path: The file; its kind is told from its bytes.

    Raises:
        UnsafeModelError: If loading the file would execute code; nothing was executed.
        ModelError: If the file is missing, damaged, or of another kind.
    """
    found = sniff(path)
    _refuse(found)
    with open_regular(path) as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        if found.kind == "torch zip":
            check_zip(file, name=found.path)
        content = _read(file, found)
    content = find_weights(content, name=found.path)
    if isinstance(content, nn.Module):
        check_module(content, name=found.path)
        return ModelContent(content, found.path, sha256, "torch module")
    for key, value in content.items():
        if isinstance(value, torch.Tensor):
            check_tensor(value, name=found.path, where=key)
    form = {"safetensors": "safetensors", "torch legacy": "torch legacy state_dict"}
    return ModelContent(content, found.path, sha256, form.get(found.kind, "torch state_dict"))


def _settled(model: nn.Module, name: str) -> nn.Module:
    try:
        return model.to("cpu").eval()
    except Exception as error:  # the network's own code may run here
        raise ModelError(f"{name}: the network cannot be put into evaluation mode on the CPU", _ARCH) from error


def _refuse(found: Sniffed) -> None:
    if found.kind == "torchscript":
        what = "is a TorchScript program; running it would run what the file says"
    elif found.kind == "torch export":
        what = "is a torch.export archive (.pt2); torch executes code in it when it is loaded"
    elif found.kind == "pickle":
        what = "is a plain pickle; loading it would run code named in the file"
    else:
        return
    hint = "save the weights, torch.save(model.state_dict(), ...), and pass --arch package.module:factory"
    raise UnsafeModelError(f"{found.path}: {what}; nothing was executed", hint)


def _read(file: BufferedReader, found: Sniffed) -> object:
    if found.kind == "safetensors":
        from safetensors.torch import load

        try:
            file.seek(0)
            return load(file.read())
        except Exception as error:  # SafetensorError, and MemoryError for what a header claims
            what = "the safetensors file is damaged or truncated"
            raise ModelError(f"{found.path}: {what}", "download or save it again") from error
    with _LOCK, _permitting(_permitted()):
        _check_globals(file, found)
        file.seek(0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                return torch.load(file, map_location="cpu", weights_only=True, mmap=False)
            except Exception as error:  # a dozen kinds, with advice to switch the guard off
                why = "it is damaged, or holds more than weights"
                what = f"torch cannot read it ({type(error).__name__}): {why}"
                raise ModelError(f"{found.path}: {what}", "download or save it again") from error


@lru_cache(maxsize=1)
def _permitted() -> tuple[_Permitted, ...]:
    classes = {
        value
        for name, module in list(sys.modules.items())
        if name.startswith(MODULE_PREFIX)
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, nn.Module) and value.__module__.startswith(MODULE_PREFIX)
    }
    # gelu is a built-in, which is pickled under the name of the module it is built in.
    functions: list[_Permitted] = [
        (nn.functional.relu, "torch.nn.functional.relu"),
        (nn.functional.gelu, "torch._C._nn.gelu"),
    ]
    named: list[_Permitted] = [(value, f"{value.__module__}.{value.__qualname__}") for value in classes]
    return (*sorted(named, key=lambda entry: entry[1]), *functions)


@contextmanager
def _permitting(permitted: tuple[_Permitted, ...]) -> Iterator[None]:
    before = torch.serialization.get_safe_globals()
    try:
        with torch.serialization.safe_globals(list(permitted)):
            yield
    finally:
        torch.serialization.add_safe_globals([entry for entry in before if entry in permitted])


def _check_globals(file: BufferedReader, found: Sniffed) -> None:
    file.seek(0)
    if found.kind == "torch legacy":
        names = global_names(file, pickles=_LEGACY_PICKLES)
        if any(name.startswith(MODULE_PREFIX) for name in names):
            what = "is a whole module in the format of torch before 1.6, which cannot be loaded safely"
            raise UnsafeModelError(f"{found.path}: {what}; nothing was executed", _ARCH)
        # No torch function lists these for old files: what lies outside torch is what a reader wants to know.
        unsafe = {name for name in names if not name.startswith(("torch.", "torch._utils.", "collections."))}
        unsafe -= {"_codecs.encode", "builtins.bytearray", "builtins.set", "builtins.complex"}
        unsafe |= names & _granted_by_others()
    else:
        with zipfile.ZipFile(file) as archive:
            pickle_name = f"{found.root}data.pkl"
            with archive.open(pickle_name) as stream:
                names = global_names(stream)
            unsafe = _unsafe(file) | (names & _granted_by_others())
            if not unsafe and any(name.startswith(MODULE_PREFIX) for name in names):
                with archive.open(pickle_name) as stream:
                    check_construction(stream, name=found.path)
    if unsafe:
        listed = ", ".join(printable(name, limit=60) for name in sorted(unsafe)[:5])
        more = f" and {len(unsafe) - 5} more" if len(unsafe) > 5 else ""
        kind = "an FX GraphModule" if any(name.startswith("torch.fx.") for name in unsafe) else "a pickle"
        what = f"is {kind} that needs code from outside torch.nn ({listed}{more})"
        lazy = "torch.nn.parameter.UninitializedParameter" in unsafe
        hint = "run the lazy layers once on data, then save the network again" if lazy else _ARCH
        raise UnsafeModelError(f"{found.path}: {what}; nothing was executed", hint)


def _unsafe(file: BufferedReader) -> set[str]:
    try:
        file.seek(0)
        return set(torch.serialization.get_unsafe_globals_in_checkpoint(file))
    except Exception:  # it cannot read every pickle; torch.load then refuses this one
        return set()


def _granted_by_others() -> set[str]:
    # Another library may have vouched for classes process-wide; that is not our user's word.
    labels: set[str] = set()
    for entry in torch.serialization.get_safe_globals():
        if isinstance(entry, tuple):
            labels.add(entry[1])
        else:
            labels.add(f"{entry.__module__}.{entry.__qualname__}")
    return labels - {label for _, label in _permitted()}
