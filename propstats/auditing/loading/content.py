"""What a model file holds, read by the loader that fits its bytes."""

import hashlib
import os
import sys
import tarfile
import warnings
import zipfile
from dataclasses import dataclass
from io import BufferedReader
from typing import Final

import torch
from torch import nn

from propstats.auditing.loading.access import Access
from propstats.auditing.loading.archive import check_zip
from propstats.auditing.loading.construction import check_construction
from propstats.auditing.loading.permitted import (
    MODULE_PREFIX,
    OWN_PREFIX,
    Permitted,
    granted_by_others,
    permitted,
    permitting,
)
from propstats.auditing.loading.pickles import global_names
from propstats.auditing.loading.programs import read_exported, read_scripted
from propstats.auditing.loading.sniff import Sniffed, open_regular, sniff
from propstats.auditing.loading.validate import check_module, check_tensor
from propstats.auditing.loading.weights import find_weights
from propstats.auditing.records import ModelInfo, Tier
from propstats.errors import ModelError, UnsafeModelError
from propstats.text import printable

_ARCH: Final = "save its state_dict and pass --arch package.module:factory"
_LEGACY_PICKLES: Final = 5  # magic number, protocol, system, object, keys of the storages
_HARMLESS: Final = {"_codecs.encode", "builtins.bytearray", "builtins.set", "builtins.complex"}
_LIGHTNING: Final = "pytorch-lightning_version"
_MOST_PROPOSED: Final = 8
_UNVERIFIED: Final = "checksums were not verified"


@dataclass(frozen=True, slots=True)
class ModelContent:
    """What a model file holds.

    Attributes:
        content: A network, or weights by name.
        info: Which file it was, and what was permitted.
    """

    content: nn.Module | dict[str, object]
    info: ModelInfo


def read_file(path: str | os.PathLike[str], access: Access) -> ModelContent:
    """Read what a model file holds, without executing anything in it.

    Args:
        path: The file; its kind is told from its bytes.
        access: What is permitted.

    Raises:
        UnsafeModelError: If loading the file would execute code; nothing was executed.
        ModelError: If the file is missing, damaged, or of another kind.
    """
    found = sniff(path)
    if found.kind in ("torchscript", "torch export") and access.trust:
        return _program(path, found, access)
    _refuse(found)
    with open_regular(path) as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        if found.kind == "torch zip":
            check_zip(file, name=found.path, verify=access.verify)
        names = _names(file, found)
        allowed = permitted(access, names)
        if found.kind == "safetensors":
            raw: object = read_safetensors(path, found.path)
        else:
            raw = _unpickled(file, found, names, allowed)
    form = {"safetensors": "safetensors", "torch legacy": "torch legacy state_dict"}.get(found.kind, "torch state_dict")
    if isinstance(raw, dict) and isinstance(raw.get(_LIGHTNING), str):
        form = "Lightning checkpoint"
    content = find_weights(raw, name=found.path)
    if isinstance(content, nn.Module):
        _check_network(content, found.path, names, allowed)
        form, parameters = "torch module", sum(parameter.numel() for parameter in content.parameters())
    else:
        parameters = check_weights(content, name=found.path)
    notes = (_UNVERIFIED,) if found.kind == "torch zip" and not access.verify else ()
    used = allowed.used(names)
    tier: Tier = "allowed" if used else "safe"
    info = ModelInfo(found.path, sha256, form, False, parameters, tier, used, torch.__version__, notes)
    return ModelContent(content, info)


def _program(path: str | os.PathLike[str], found: Sniffed, access: Access) -> ModelContent:
    """Read a file that is a program, for a user who trusts it."""
    with open_regular(path) as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        is_script = found.kind == "torchscript"
        check_zip(file, name=found.path, verify=access.verify, code=f"{found.root}code/" if is_script else None)
        content = read_scripted(file, found) if is_script else read_exported(file, found)
    form = "TorchScript" if is_script else "torch export"
    count = sum(parameter.numel() for parameter in content.parameters())
    notes = ("trusted: the file's own program runs", *(() if access.verify else (_UNVERIFIED,)))
    return ModelContent(
        content, ModelInfo(found.path, sha256, form, True, count, "trusted", (), torch.__version__, notes)
    )


def check_weights(weights: dict[str, object], *, name: str) -> int:
    """Check every tensor among weights, and count their numbers.

    Raises:
        ModelError: If one has no plain memory behind it.
    """
    count = 0
    for key, value in weights.items():
        if isinstance(value, torch.Tensor):
            check_tensor(value, name=name, where=key)
            count += value.numel()
    return count


def read_safetensors(path: str | os.PathLike[str], shown: str) -> dict[str, object]:
    """Read the tensors of a safetensors file.

    Raises:
        ModelError: If it is damaged.
    """
    from safetensors.torch import load_file

    try:
        return dict(load_file(path))
    except Exception as error:  # SafetensorError, and MemoryError for what a header claims
        what = "the safetensors file is damaged or truncated"
        raise ModelError(f"{shown}: {what}", "download or save it again") from error


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
    if found.kind != "pickle":
        hint += "; if you know where it comes from, --trust runs it"
    raise UnsafeModelError(f"{found.path}: {what}; nothing was executed", hint)


def _check_network(network: nn.Module, shown: str, names: frozenset[str], allowed: Permitted) -> None:
    """Refuse what torch, or the classes of propstats.nn, would not have built."""
    known = [value for value, _ in allowed.entries]
    if not any(name.startswith(OWN_PREFIX) for name in names):
        check_module(network, name=shown, known=known)
        return
    from propstats.nn.restored import REMADE, check_restored

    check_module(network, name=shown, known=known, remade=REMADE)
    for name, module in network.named_modules():
        try:
            check_restored(module)
        except ModelError as error:
            where = f"module {printable(name, limit=60) or '(the whole)'}"
            raise ModelError(f"{shown}: {where}: {error.message}", error.hint) from None


def _names(file: BufferedReader, found: Sniffed) -> frozenset[str]:
    """Return what the pickles of a file name; torch's own readers go on from where they like."""
    if found.kind == "safetensors":
        return frozenset()
    file.seek(0)
    if found.kind == "torch legacy":
        if tarfile.is_tarfile(file):  # torch would unpack it
            raise ModelError(f"{found.path}: is a tar archive", "unpack it and name the model file in it")
        file.seek(0)
        return global_names(file, pickles=_LEGACY_PICKLES)
    with zipfile.ZipFile(file) as archive, archive.open(f"{found.root}data.pkl") as stream:
        return global_names(stream)


def _unpickled(file: BufferedReader, found: Sniffed, names: frozenset[str], allowed: Permitted) -> object:
    with permitting(allowed.entries):
        _check_pickle(file, found, names, allowed)
        file.seek(0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                content: object = torch.load(file, map_location="cpu", weights_only=True, mmap=False)
            except ModelError as error:  # a layer of ours, from its state
                raise ModelError(f"{found.path}: {error.message}", error.hint) from None
            except Exception as error:  # a dozen kinds, with advice to switch the guard off
                why = "it is damaged, or holds more than weights"
                what = f"torch cannot read it ({type(error).__name__}): {why}"
                raise ModelError(f"{found.path}: {what}", "download or save it again") from error
    return content


def _check_pickle(file: BufferedReader, found: Sniffed, names: frozenset[str], allowed: Permitted) -> None:
    """Refuse a pickle that names what is not permitted, or does more than rebuild itself."""
    if found.kind == "torch legacy":
        if any(name.startswith(MODULE_PREFIX) or name in allowed.labels for name in names):
            what = "is a whole module in the format of torch before 1.6, which cannot be loaded safely"
            raise UnsafeModelError(f"{found.path}: {what}; nothing was executed", _ARCH)
        _refuse_names(_foreign(names, allowed), found.path)
        file.seek(0)
        check_construction(file, name=found.path, size=found.size, pickles=_LEGACY_PICKLES)
        return
    _refuse_names(_unsafe(file) | _foreign(names, allowed), found.path)
    with zipfile.ZipFile(file) as archive, archive.open(f"{found.root}data.pkl") as stream:
        check_construction(stream, name=found.path, size=found.size, enums=allowed.enums)


def _refuse_names(unsafe: set[str], shown: str) -> None:
    if not unsafe:
        return
    listed = ", ".join(printable(name, limit=60) for name in sorted(unsafe)[:5])
    more = f" and {len(unsafe) - 5} more" if len(unsafe) > 5 else ""
    kind = "a pickle"
    if any(name.startswith("torch.fx.") for name in unsafe):
        kind = "an FX GraphModule"
    elif any(name.startswith(("torch.ao.", "torch.ScriptObject", "torch.jit.")) for name in unsafe):
        kind = "a quantised or compiled network"
    what = f"is {kind} that needs code from outside torch.nn ({listed}{more})"
    raise UnsafeModelError(f"{shown}: {what}; nothing was executed", _way_out(unsafe))


def _way_out(unsafe: set[str]) -> str:
    if "torch.nn.parameter.UninitializedParameter" in unsafe:
        return "run the lazy layers once on data, then save the network again"
    tops = {name.split(".")[0] for name in unsafe}
    # The names are the file's: what is no network's must not be proposed to a hasty reader.
    if tops & ({*sys.stdlib_module_names, "torch", "numpy"} - {"__main__"}) or len(unsafe) > _MOST_PROPOSED:
        return _ARCH
    options = []
    for name in sorted(unsafe):
        module, _, attribute = name.rpartition(".")
        if not all(part.isidentifier() for part in name.split(".")):
            return _ARCH
        if module == "__main__":
            options.append(f"--class {name}=package.module:{attribute}")
        else:
            options.append(f"--allow {module}:{attribute}")
    return f"if you know the code, {' '.join(options)}; or {_ARCH}"


def _foreign(names: frozenset[str], allowed: Permitted) -> set[str]:
    """Return names that nobody permitted; torch itself does not list them in old files, nor in new protocols."""
    outside = {name for name in names if not name.startswith(("torch.", "collections."))}
    return (outside - _HARMLESS - allowed.labels) | (names & granted_by_others(allowed.labels))


def _unsafe(file: BufferedReader) -> set[str]:
    try:
        file.seek(0)
        return set(torch.serialization.get_unsafe_globals_in_checkpoint(file))
    except Exception:  # it cannot read every pickle; torch.load then refuses this one
        return set()
