"""Data as a network gets them: normalised, batch by batch, in memory that does not grow with their number."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
import torch

from propstats.auditing.data.normalize import GROUP, Scaling, scaling
from propstats.auditing.data.rows import Numbers, Part, Samples
from propstats.auditing.provenance import DataInfo
from propstats.errors import DataError

_STEP = 1024
_NUMPY = {torch.float64: np.float64, torch.int64: np.int64}


class Batch(NamedTuple):
    """Inputs for a network, (n, ...), and their class numbers, (n,), if there are any."""

    inputs: torch.Tensor
    labels: torch.Tensor | None


@dataclass(frozen=True)
class Dataset:
    """Inputs, and their labels if there are any.

    Attributes:
        name: As it was asked for.
        sha256: Of the raw content: data types, shapes and bytes, before anything is normalised; None if the data
            are not read until they are used.
        source: Where the samples come from.
        normalization: "none", "global", "feature" or "batch".
        scale: What normalises the data, for "global" and "feature".
        dtype: What the network gets: float32 unless it asks for something else; int64 for tokens.
        flat: Whether each sample is sent as one row of values.
        notes: What a reader of the result should know of the data.
    """

    name: str
    sha256: str | None
    source: Samples
    normalization: str
    scale: Scaling | None
    dtype: torch.dtype
    flat: bool = False
    notes: tuple[str, ...] = ()

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one sample as it is stored."""
        return self.source.shape

    @property
    def samples(self) -> int | None:
        """How many samples are sent; None for a stream, which does not know before its end."""
        return self.source.count

    @cached_property
    def inputs(self) -> torch.Tensor:
        """All inputs at once, (N, ...)."""
        return self._everything[0]

    @cached_property
    def labels(self) -> torch.Tensor | None:
        """All labels at once, (N,), or None."""
        return self._everything[1]

    @cached_property
    def _everything(self) -> Batch:
        # What is stored as it is needed stays one view of its memory.
        whole = self.scale is None and self.normalization == "none" and self.samples
        batches = list(self.pairs(whole or _STEP))
        if len(batches) == 1:
            return batches[0]
        labels = [batch.labels for batch in batches if batch.labels is not None]
        together = torch.cat(labels) if labels and len(labels) == len(batches) else None
        return Batch(torch.cat([batch.inputs for batch in batches]), together)

    def batches(self, size: int) -> Iterator[torch.Tensor | Mapping[str, torch.Tensor]]:
        """Yield what the network is called with, from the beginning, `size` samples at a time.

        Yields:
            A tensor (n, ...), or several by the names of the arguments; the last batch may be smaller.

        Raises:
            DataError: If a stream breaks off, or gives batches that do not belong together.
        """
        for part in self._parts(size):
            inputs = self._tensor(part.inputs)
            others = {name: torch.from_numpy(np.array(values)) for name, values in part.others.items()}
            yield {part.name: inputs, **others} if others else inputs

    def pairs(self, size: int) -> Iterator[Batch]:
        """Yield inputs with their labels, as `batches` does."""
        for part in self._parts(size):
            yield Batch(self._tensor(part.inputs), None if part.labels is None else torch.from_numpy(part.labels))

    def info(self, layout: str = "as it is") -> DataInfo:
        """Return what a report says of the data; the samples of a stream are counted when it has ended."""
        stored = self.source.dtype
        return DataInfo(
            self.name, self.sha256, self.samples or 0, self.shape, layout, self.normalization,
            self.source.available, stored, self.notes,
        )  # fmt: skip

    def _parts(self, size: int) -> Iterator[Part]:
        if self.normalization != "batch":
            return self.source.parts(size)
        return regrouped(map(_within_itself, even_groups(self.source.parts(GROUP))), size)

    def _tensor(self, values: Numbers) -> torch.Tensor:
        scaled = values if self.scale is None else self.scale.apply(values)
        if self.flat:
            scaled = scaled.reshape(len(scaled), -1)
        with np.errstate(all="ignore"):
            native = np.asarray(scaled, dtype=_NUMPY.get(self.dtype, np.float32), order="C")
        if not native.flags.writeable:  # mapped from a file; torch would warn of that
            native = native.copy()
        return torch.from_numpy(native).to(self.dtype)


def dataset(
    name: str,
    source: Samples,
    *,
    sha256: str | None,
    normalize: str,
    notes: tuple[str, ...] = (),
    keep: torch.dtype | None = None,
) -> Dataset:
    """Put samples and a normalisation together.

    Args:
        name: How the data were asked for.
        source: The samples.
        sha256: Of their raw content.
        normalize: One of `NORMALIZATIONS`.
        notes: What a reader should know.
        keep: The data type that the network gets; None: int64 for int64, which are tokens, and float32 otherwise.

    Raises:
        DataError: If tokens are to be normalised, or a stream cannot be read.
    """
    tokens = source.dtype == "int64"
    if tokens and normalize != "none":
        raise DataError(f"{name}: int64 values are tokens, which have no mean", "drop --normalize")
    scale = None
    if normalize in ("global", "feature"):
        scale = scaling((part.inputs for part in source.for_statistics(_STEP)), normalize)
    kind = keep or (torch.int64 if tokens else torch.float32)
    return Dataset(name, sha256, source, normalize, scale, kind, notes=notes)


def fitted(data: Dataset, *, dtype: torch.dtype, flat: bool) -> Dataset:
    """Return the data in the precision and layout that a network wants; tokens stay what they are."""
    return replace(data, dtype=dtype if data.dtype.is_floating_point else data.dtype, flat=flat)


def even_groups(parts: Iterator[Part]) -> Iterator[Part]:
    """Join a last part that is less than half as large as the one before it: a few samples have no spread."""
    held: Part | None = None
    for part in parts:
        if held is not None and 2 * len(part.inputs) < len(held.inputs):
            yield Part.joined([held, part])
            held = None
            continue
        if held is not None:
            yield held
        held = part
    if held is not None:
        yield held


def regrouped(parts: Iterator[Part], size: int) -> Iterator[Part]:
    """Yield the same samples, `size` at a time."""
    held: list[Part] = []
    count = 0
    for part in parts:
        held.append(part)
        count += len(part.inputs)
        if count < size:
            continue
        whole = Part.joined(held)
        done = count - count % size
        for start in range(0, done, size):
            yield whole.rows(slice(start, start + size))
        count -= done
        held = [whole.rows(slice(done, None))] if count else []
    if held:
        yield Part.joined(held)


def _within_itself(part: Part) -> Part:
    return part._replace(inputs=scaling([part.inputs], "feature").apply(part.inputs))
