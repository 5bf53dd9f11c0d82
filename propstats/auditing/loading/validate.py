"""Is a network that came out of a file put together like one, so that walking and running it is safe?"""

from collections.abc import Collection, Iterable, Mapping
from types import MappingProxyType
from typing import Final

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from propstats.auditing.loading.access import USE_ARCH
from propstats.errors import ModelError
from propstats.text import printable

MAX_DEPTH: Final = 100
MAX_CALLS: Final = 1_000_000
# Below this many elements a view larger than its storage (an expanded buffer) costs nothing.
_SMALL: Final = 1 << 20
_REFERENCE: Final[Mapping[str, object]] = dict(vars(nn.Module()))


def check_tensor(tensor: torch.Tensor, *, name: str, where: str) -> None:
    """Refuse a tensor without real, plain memory behind it.

    Args:
        tensor: Any tensor out of a file.
        name: How to name the model in the error.
        where: The tensor's own name.

    Raises:
        ModelError: If it is on the meta device, uninitialised, sparse or quantised, carries hooks, or claims
            far more elements than its storage holds (a stride-0 view).
    """
    shown = f"{name}: tensor {printable(where, limit=60)}"
    if is_lazy(tensor):
        raise ModelError(f"{shown} is not initialised yet (a lazy module)", "run it once on data, then save it")
    if tensor.device.type == "meta":
        raise ModelError(f"{shown} is on the meta device: it has a shape but no values", "save real weights")
    if tensor.layout != torch.strided or tensor.is_quantized or tensor.is_nested:
        raise ModelError(f"{shown} is sparse, nested or quantised; only dense weights are audited", "make it dense")
    if tensor._backward_hooks:
        raise ModelError(f"{shown} carries hooks", USE_ARCH)
    claimed = tensor.numel() * tensor.element_size()
    if tensor.numel() > _SMALL and claimed > tensor.untyped_storage().nbytes():
        held = tensor.untyped_storage().nbytes()
        raise ModelError(f"{shown} claims {claimed:,} bytes, {held:,} are there: not an honest file", USE_ARCH)


def check_module(
    root: nn.Module,
    *,
    name: str,
    known: Collection[object] = (),
    remade: Mapping[type[nn.Module], Collection[str]] = MappingProxyType({}),
) -> None:
    """Refuse a module tree that torch itself would not have built.

    Args:
        root: The network, as unpickled.
        name: How to name it in the error.
        known: Functions and classes that modules may carry as attributes.
        remade: Attributes that layers of a class made themselves, whatever the file says.

    Raises:
        ModelError: If the tree has a cycle, is absurdly deep or wide, or holds something that is no module;
            if a module lacks its usual entries, has hooks, shadows a method or carries a function that is
            not known; if a weight is not a real tensor.
    """
    identities = frozenset(id(value) for value in known)
    heights: dict[int, int] = {}
    calls: dict[int, int] = {}
    open_: set[int] = set()
    # Not recursive: the depth is the file's choice.
    stack: list[tuple[nn.Module, str, bool]] = [(root, "", False)]
    while stack:
        module, path, leaving = stack.pop()
        key = id(module)
        if leaving:
            open_.discard(key)
            below = [id(child) for child in module._modules.values() if child is not None]
            heights[key] = 1 + max((heights[child] for child in below), default=0)
            calls[key] = 1 + sum(calls[child] for child in below)
            if heights[key] > MAX_DEPTH or calls[key] > MAX_CALLS:
                limits = f"{MAX_DEPTH} levels and {MAX_CALLS:,} modules"
                raise ModelError(f"{name}: the modules nest beyond {limits}", USE_ARCH)
        elif key in open_:
            raise ModelError(f"{name}: module {_shown(path)} contains itself", USE_ARCH)
        elif key not in heights:
            _check_entries(module, name, path, identities, remade.get(type(module), ()))
            open_.add(key)
            stack.append((module, path, True))
            children = module._modules.items()
            stack.extend((child, f"{path}.{key}", False) for key, child in children if child is not None)


def _shown(path: str) -> str:
    return printable(path.lstrip("."), limit=60) or "(the whole)"


def _check_entries(module: nn.Module, name: str, path: str, known: frozenset[int], remade: Collection[str]) -> None:
    where = f"{name}: module {_shown(path)} ({type(module).__name__})"
    entries = vars(module)
    for key, usual in _REFERENCE.items():
        if key not in entries:
            raise ModelError(f"{where} lacks its {key}: damaged, or not written by torch", USE_ARCH)
        value = entries[key]
        if not _alike(value, usual):
            raise ModelError(f"{where}: its {key} is a {type(value).__name__}", USE_ARCH)
        if key.endswith(("_hooks", "_hooks_with_kwargs", "_hooks_always_called")) and value:
            raise ModelError(f"{where} carries hooks ({key})", USE_ARCH)
    for key, value in entries.items():
        if key not in _REFERENCE and key not in remade:
            _check_attribute(module, key, value, where, known)
    for child, value in module._modules.items():
        # What a terminal would obey is no name.
        named = isinstance(child, str) and child != "" and "." not in child and printable(child) == child
        if not named or not (value is None or isinstance(value, nn.Module)):
            what = f"has a part {printable(child, limit=40)} of type {type(value).__name__}"
            raise ModelError(f"{where} {what}, not a module", USE_ARCH)
    _check_tensors(module._parameters, nn.Parameter, name, path, where)
    _check_tensors(module._buffers, torch.Tensor, name, path, where)


def _alike(value: object, usual: object) -> bool:
    if usual is None:
        return value is None or isinstance(value, bool)
    # Which of the dictionaries are ordered ones differs between versions of torch.
    return isinstance(value, dict if isinstance(usual, dict) else type(usual))


def _check_tensors(
    tensors: Mapping[str, torch.Tensor | None], expected: type, name: str, path: str, where: str
) -> None:
    for key, value in tensors.items():
        if not isinstance(key, str) or not (value is None or isinstance(value, expected)):
            what = f"{printable(key, limit=40)} is a {type(value).__name__}"
            raise ModelError(f"{where}: {what}, not a {expected.__name__}", USE_ARCH)
        if value is not None:
            check_tensor(value, name=name, where=f"{path}.{key}".lstrip("."))


def _check_attribute(module: nn.Module, key: object, value: object, where: str, known: frozenset[int]) -> None:
    shown = printable(key, limit=40)
    if not isinstance(key, str) or callable(getattr(type(module), key, None)):
        raise ModelError(f"{where}: its attribute {shown} hides a method", USE_ARCH)
    if callable(value) and id(value) not in known:
        raise ModelError(f"{where}: its attribute {shown} is a {type(value).__name__}, which can be called", USE_ARCH)
    for tensor in _tensors_in(value):
        check_tensor(tensor, name=where, where=shown)


def _tensors_in(value: object, depth: int = 0) -> Iterable[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        yield value
    elif depth < 4 and isinstance(value, list | tuple | dict):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _tensors_in(item, depth + 1)
