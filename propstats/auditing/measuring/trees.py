"""Tensors in nested arguments and results."""

from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from typing import TypeVar, cast

import torch

T = TypeVar("T")


def tensors_in(value: object) -> list[torch.Tensor]:
    """Return all tensors in a value, in order, whatever lists, tuples, mappings and records hold them."""
    if isinstance(value, torch.Tensor):
        return [value]
    parts: list[object] = []
    if isinstance(value, Mapping):
        parts = list(value.values())
    elif isinstance(value, list | tuple):
        parts = list(value)
    elif isinstance(value, slice):
        parts = [value.start, value.stop, value.step]
    elif is_dataclass(value) and not isinstance(value, type):
        parts = [getattr(value, field.name) for field in fields(value)]
    return [tensor for part in parts for tensor in tensors_in(part)]


def with_tensors(value: T, put: Callable[[torch.Tensor], object]) -> T:
    """Return plain lists, tuples, dicts and slices with each tensor replaced; other containers stay as they are."""

    def walk(part: object) -> object:
        if isinstance(part, torch.Tensor):
            return put(part)
        if type(part) is dict:
            return {key: walk(inner) for key, inner in part.items()}
        if type(part) is list:
            return [walk(inner) for inner in part]
        if type(part) is tuple:
            return tuple(walk(inner) for inner in part)
        if isinstance(part, tuple) and hasattr(part, "_fields"):  # a named tuple
            named = cast("Callable[..., object]", type(part))
            return named(*(walk(inner) for inner in part))
        if isinstance(part, slice):
            return slice(walk(part.start), walk(part.stop), walk(part.step))
        return part

    return walk(value)  # type: ignore[return-value]
