"""What a model file holds, read by the loader that fits its bytes."""

import hashlib
import os
from dataclasses import dataclass
from typing import Final

import torch
from torch import nn

from propstats.auditing.loading.access import Access
from propstats.auditing.loading.archive import check_zip
from propstats.auditing.loading.finding import find_weights, without_keys
from propstats.auditing.loading.parallel import without_data_parallel
from propstats.auditing.loading.permitted import OWN_PREFIX, Permitted, permitted
from propstats.auditing.loading.programs import read_exported, read_scripted
from propstats.auditing.loading.sniff import Sniffed, open_regular, sniff
from propstats.auditing.loading.unpickling import names_in, unpickled
from propstats.auditing.loading.validate import check_module, check_tensor
from propstats.auditing.provenance import ModelInfo, Tier
from propstats.errors import ModelError, UnsafeModelError

_LIGHTNING: Final = "pytorch-lightning_version"
_NAMED: Final = 8
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
    check_size(found.size, found.path)
    if found.kind in ("torchscript", "torch export") and access.trust:
        if access.key is not None:
            raise without_keys("is a program", found.path)
        return _program(path, found, access)
    _refuse(found)
    with open_regular(path) as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        if found.kind == "torch zip":
            check_zip(file, name=found.path, verify=access.verify)
        names = names_in(file, found)
        allowed = permitted(access, names)
        if found.kind == "safetensors":
            raw: object = read_safetensors(path, found.path)
        else:
            raw = unpickled(file, found, names, allowed)
    form = {"safetensors": "safetensors", "torch legacy": "torch legacy state_dict"}.get(found.kind, "torch state_dict")
    if isinstance(raw, dict) and isinstance(raw.get(_LIGHTNING), str):
        form = "Lightning checkpoint"
    content, notes = find_weights(raw, name=found.path, key=access.key)
    if isinstance(content, nn.Module):
        _check_network(content, found.path, names, allowed)
        content = without_data_parallel(content, name=found.path)
        form, parameters = "torch module", sum(parameter.numel() for parameter in content.parameters())
    else:
        parameters = check_weights(content, name=found.path)
    if found.kind == "torch zip" and not access.verify:
        notes = (_UNVERIFIED, *notes)
    if allowed.aside:
        notes = (*notes, f"left unread: {', '.join(sorted(allowed.unread)[:_NAMED])}")
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


def check_size(size: int, name: str) -> None:
    """Refuse a file that cannot be read into this machine's memory, before anything of it is read.

    Raises:
        ModelError: If it is larger than that.
    """
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if size > memory:
        what = f"its {size / 1e9:,.0f} GB do not fit into the {memory / 1e9:,.0f} GB of this machine's memory"
        raise ModelError(f"{name}: {what}", "name one part of it, or take a machine with more memory")


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
    from propstats.nn.restored import REMADE, check_network

    check_module(network, name=shown, known=known, remade=REMADE)
    try:
        check_network(network)
    except ModelError as error:
        raise ModelError(f"{shown}: {error.message}", error.hint) from None
