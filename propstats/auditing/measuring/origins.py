"""Where tensors come from: which call made each of them, also where calls change tensors in place."""

import weakref
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import nn

from propstats.auditing.measuring.call import OUTSIDE


class Origin(NamedTuple):
    """Who made a tensor.

    Args:
        position: The call, `INPUT` or `OUTSIDE`.
        output: Which of the tensors that the call gave.
        changed: Whether another call changed it since, through another tensor that shares its memory.
    """

    position: int
    output: int = 0
    changed: bool = False


@dataclass(frozen=True, slots=True)
class _Entry:
    tensor: weakref.ref[torch.Tensor]
    origin: Origin
    version: int


_UNSEEN = Origin(OUTSIDE)


class Origins:
    """The makers of all tensors that are alive."""

    def __init__(self) -> None:
        self._made: dict[int, _Entry] = {}
        self._written: dict[int, _Entry] = {}

    def note(self, tensor: torch.Tensor, position: int, output: int = 0, *, in_place: bool = False) -> None:
        """Remember who made a tensor, or changed it in place."""
        entry = _Entry(weakref.ref(tensor), Origin(position, output), version(tensor))
        self._made[id(tensor)] = entry
        if in_place:
            memory = _memory(tensor)
            self._written[id(memory)] = _Entry(weakref.ref(memory), Origin(position, output, True), entry.version)

    def of(self, tensor: torch.Tensor) -> Origin:
        """Return who made a tensor."""
        if isinstance(tensor, nn.Parameter):
            return _UNSEEN
        entry = self._made.get(id(tensor))
        if entry is None or entry.tensor() is not tensor:  # an identity may have been taken over by a later tensor
            entry = None
        now = version(tensor)
        if entry is not None and entry.version == now:
            return entry.origin
        memory = _memory(tensor)
        written = self._written.get(id(memory))
        if written is not None and written.tensor() is memory and written.version == now:
            return written.origin
        return Origin(entry.origin.position, entry.origin.output, True) if entry is not None else _UNSEEN


def version(tensor: torch.Tensor) -> int:
    """Return a number that changes whenever the tensor's memory is written to."""
    return 0 if tensor.is_inference() else tensor._version


def _memory(tensor: torch.Tensor) -> torch.Tensor:
    """Return the tensor whose memory this one is a view of."""
    base = tensor._base if tensor._is_view() else None
    return tensor if base is None else base
