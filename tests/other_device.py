"""A device that is none: its tensors are CPU tensors in a box, and mixing both fails as it does on a GPU.

What runs here finds on a machine without an accelerator whatever assumes that all tensors are on the CPU.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch.utils import _pytree as pytree
from torch.utils.backend_registration import _setup_privateuseone_for_python_backend

_setup_privateuseone_for_python_backend("elsewhere")
DEVICE = torch.device("elsewhere:0")


class _Boxed(torch.Tensor):
    raw: torch.Tensor

    @staticmethod
    def __new__(cls, raw: torch.Tensor) -> "_Boxed":
        made: _Boxed = torch.Tensor._make_wrapper_subclass(
            cls, raw.size(), strides=raw.stride(), storage_offset=raw.storage_offset(), dtype=raw.dtype, device=DEVICE
        )
        made.raw = raw
        return made

    __torch_function__: Any = torch._C._disabled_torch_function_impl

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]
        cls, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        return _run(func, args, kwargs or {})


def _raw(value: object) -> object:
    return value.raw if isinstance(value, _Boxed) else value


def _run(function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> object:
    name = function.overloadpacket.__name__
    if name == "copy_":
        function(_raw(args[0]), _raw(args[1]))
        return args[0]
    plain = {**kwargs, "device": torch.device("cpu")} if "device" in kwargs else kwargs
    if name == "_to_copy":
        made = function(_raw(args[0]), **plain)
        stays = kwargs.get("device") is None or torch.device(kwargs["device"]).type == DEVICE.type
        return _Boxed(made) if stays else made
    given = [value for value in pytree.tree_leaves((args, kwargs)) if isinstance(value, torch.Tensor)]
    if any(value.dim() > 0 and not isinstance(value, _Boxed) for value in given):
        raise RuntimeError(f"Expected all tensors to be on the same device, but found {DEVICE} and cpu ({function})")
    inner_args, inner_kwargs = pytree.tree_map(_raw, (args, plain))
    made = function(*inner_args, **inner_kwargs)
    boxes = {id(value.raw): value for value in given if isinstance(value, _Boxed)}  # what an in-place call returns

    def box(value: object) -> object:
        return boxes.get(id(value), _Boxed(value)) if isinstance(value, torch.Tensor) else value

    return pytree.tree_map(box, made)


def _kernel(function: Any, *args: Any, **kwargs: Any) -> object:
    return _run(function, args, kwargs)


_library: Callable[..., Any] = torch.library.Library
_LIBRARY = _library("_", "IMPL")  # kept, because what it has registered goes with it
_LIBRARY.fallback(_kernel, "PrivateUse1")
