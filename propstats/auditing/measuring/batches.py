"""Data in batches: one tensor, several as arguments, or several with names."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Protocol, TypeAlias, cast, runtime_checkable

import torch

from propstats.auditing.measuring.trees import tensors_in
from propstats.errors import DataError

#: What a network is called with: a tensor, a tuple of arguments, or keyword arguments; samples along the first axis.
Batch: TypeAlias = "torch.Tensor | tuple[torch.Tensor, ...] | Mapping[str, torch.Tensor]"

#: Samples per batch. It is part of the result: the random directions of the backward pass are drawn batch by batch.
BATCH = 256


@runtime_checkable
class Batched(Protocol):
    """What gives its samples in batches."""

    def batches(self, size: int) -> Iterable[Batch]:
        """Yield batches of so many samples; the last may be smaller."""
        ...


Data: TypeAlias = "Batch | Batched | Iterable[Batch]"


def batches_of(data: Data, size: int = BATCH) -> Iterator[Batch]:
    """Yield data in batches.

    Args:
        data: A tensor (or a tuple or a mapping of tensors with equally many samples), an object with `batches(size)`,
            or anything that gives batches.
        size: Samples per batch, where the data do not come in batches already.
    """
    if isinstance(data, torch.Tensor | tuple | Mapping):
        whole = cast("Batch", data)
        total = samples_in(whole)
        yield from (part(whole, slice(first, first + size)) for first in range(0, total, size))
    elif isinstance(data, Batched):
        yield from data.batches(size)
    else:
        yield from data


def samples_in(batch: Batch) -> int:
    """Return how many samples there are.

    Raises:
        DataError: If there are none, or tensors disagree.
    """
    counts = {len(tensor) if tensor.ndim else 0 for tensor in tensors_in(batch)}
    if len(counts) != 1 or counts == {0}:
        hint = "the first axis of each tensor counts samples"
        raise DataError(f"a batch holds {sorted(counts) or 'no'} samples", hint)
    return counts.pop()


def part(batch: Batch, which: slice | torch.Tensor) -> Batch:
    """Return some of the samples."""
    if isinstance(batch, torch.Tensor):
        return batch[which]
    if isinstance(batch, tuple):
        return tuple(tensor[which] for tensor in batch)
    return {name: tensor[which] for name, tensor in batch.items()}


def arguments(batch: Batch) -> tuple[Sequence[torch.Tensor], Mapping[str, torch.Tensor]]:
    """Return positional and keyword arguments."""
    if isinstance(batch, torch.Tensor):
        return (batch,), {}
    return (batch, {}) if isinstance(batch, tuple) else ((), batch)
