"""Samples in arrays, which can be had in any order, and their hash."""

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from propstats.errors import DataError
from propstats.text import printable

Numbers = npt.NDArray[np.generic]
Labels = npt.NDArray[np.int64]

#: Values that are handled at once, so that a mapped file is never in memory as a whole.
_CHUNK: Final = 1 << 22
#: Bytes that are read to be hashed, which takes a minute or less.
_HASHED: Final = 1 << 34
#: Up to so many samples, those chosen are the first of all in random order.
_PERMUTED: Final = 1 << 26


class Part(NamedTuple):
    """Some samples as they are stored.

    Attributes:
        inputs: (n, ...).
        labels: Their class numbers, (n,), if there are any.
        name: The argument that the inputs are for, if a network takes several.
        others: The other arguments by name, (n, ...) each.
    """

    inputs: Numbers
    labels: Labels | None
    name: str = ""
    others: Mapping[str, Numbers] = MappingProxyType({})

    def rows(self, which: slice) -> "Part":
        """Return some of the samples."""
        labels = None if self.labels is None else self.labels[which]
        others = {name: values[which] for name, values in self.others.items()}
        return Part(self.inputs[which], labels, self.name, others)

    @staticmethod
    def joined(parts: Sequence["Part"]) -> "Part":
        """Put the samples of several parts together."""
        first = parts[0]
        if len(parts) == 1:
            return first
        labels = [part.labels for part in parts if part.labels is not None]
        together = np.concatenate(labels) if len(labels) == len(parts) else None
        others = {name: np.concatenate([part.others[name] for part in parts]) for name in first.others}
        return Part(np.concatenate([part.inputs for part in parts]), together, first.name, others)


class Samples(Protocol):
    """Where samples come from; `parts` begins anew at each call."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one sample."""
        ...

    @property
    def dtype(self) -> str:
        """How its values are stored."""
        ...

    @property
    def count(self) -> int | None:
        """How many there are to come; None if that is known only at the end."""
        ...

    @property
    def available(self) -> int | None:
        """How many the whole set has; None if that is not known."""
        ...

    def parts(self, size: int) -> Iterator[Part]:
        """Yield all samples, `size` at a time."""
        ...

    def for_statistics(self, size: int) -> Iterator[Part]:
        """Yield the samples whose mean and deviation normalise the data."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Array:
    """Raw arrays.

    Attributes:
        inputs: (N, ...); may be mapped from a file.
        labels: (N,) or None.
        sha256: Of data types, shapes and bytes of both; None if they were not read as a whole.
        notes: What a reader of the result should know.
    """

    inputs: Numbers
    labels: Labels | None
    sha256: str | None
    notes: tuple[str, ...] = ()

    @classmethod
    def of(cls, inputs: Numbers, labels: Labels | None, notes: tuple[str, ...] = ()) -> "Array":
        """Hash arrays by data type, shape and bytes, whatever their order in memory, unless that takes minutes.

        Args:
            inputs: (N, ...).
            labels: (N,) or None.
            notes: What a reader of the result should know.
        """
        if inputs.nbytes > _HASHED:
            return cls(inputs, labels, None, (*notes, f"its {inputs.nbytes / 1e9:,.0f} GB were not hashed"))
        digest = hashlib.sha256()
        for values in (inputs, labels):
            if values is not None:
                digest.update(f"{values.dtype.str}{values.shape}".encode())
                for part in slices(len(values), math.prod(values.shape[1:])):
                    digest.update(np.ascontiguousarray(values[part]).reshape(-1).view(np.uint8).data)
        return cls(inputs, labels, digest.hexdigest(), notes)


@dataclass(frozen=True, slots=True, eq=False)
class Chosen:
    """The rows of an array that are used, in the order in which they are used.

    Attributes:
        array: All rows.
        index: Which of them, (n,); None for all, in their order.
    """

    array: Array
    index: npt.NDArray[np.int64] | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one sample."""
        return self.array.inputs.shape[1:]

    @property
    def dtype(self) -> str:
        """How its values are stored."""
        return self.array.inputs.dtype.name

    @property
    def count(self) -> int:
        """How many are used."""
        return self.available if self.index is None else len(self.index)

    @property
    def available(self) -> int:
        """How many there are."""
        return len(self.array.inputs)

    def parts(self, size: int) -> Iterator[Part]:
        """Yield the chosen rows, `size` at a time."""
        for start in range(0, self.count, size):
            part = slice(start, start + size)
            at = part if self.index is None else self.index[part]
            labels = self.array.labels
            yield Part(self.array.inputs[at], None if labels is None else labels[at])

    def for_statistics(self, size: int) -> Iterator[Part]:
        """Yield all rows, chosen or not: they are there, and say more of the data than a subset."""
        return Chosen(self.array).parts(size)


def slices(rows: int, width: int) -> Iterator[slice]:
    """Yield slices of the first axis that hold a few million values each."""
    step = max(1, _CHUNK // max(1, width))
    return (slice(start, start + step) for start in range(0, rows, step))


def choose(available: int, samples: int | None, *, seed: int, shuffle: bool = False) -> npt.NDArray[np.int64] | None:
    """Choose samples at random, without replacement.

    Args:
        available: How many there are.
        samples: How many to choose; None, or as many as there are, for all.
        seed: Of the choice; the same seed chooses the same samples.
        shuffle: Mix them also if all are chosen.

    Returns:
        Positions in random order, or None for all in their own order.

    >>> choose(10, 3, seed=0).tolist()
    [0, 7, 8]
    >>> choose(10, 10, seed=0) is None
    True
    """
    all_of_them = samples is None or samples >= available
    if all_of_them and not shuffle:
        return None
    generator = np.random.Generator(np.random.Philox(key=seed))
    if available > _PERMUTED and not all_of_them:
        return generator.choice(available, samples, replace=False)
    return generator.permutation(available)[:samples].astype(np.int64)


def check_inputs(inputs: Numbers, shown: str) -> None:
    """Refuse what is no set of samples of real numbers.

    Args:
        inputs: The array.
        shown: How to name it in the error.

    Raises:
        DataError: If it holds no real numbers, no samples, or nothing that is finite.
    """
    if inputs.dtype.kind not in "biuf":
        what = "complex numbers" if inputs.dtype.kind == "c" else f"{printable(inputs.dtype, limit=40)} values"
        raise DataError(f"{shown}: holds {what}, not real numbers", "save an array of real numbers")
    if inputs.ndim < 2:
        what = f"an array of {inputs.ndim} dimensions is not (N, features)"
        raise DataError(f"{shown}: {what}", "reshape it: a row is a sample")
    if inputs.size == 0:
        raise DataError(f"{shown}: holds no samples: its shape is {inputs.shape}", "save at least one sample")
    if inputs.dtype.kind == "f":
        rows = slices(len(inputs), math.prod(inputs.shape[1:]))
        if not any(np.isfinite(inputs[part]).any() for part in rows):
            raise DataError(f"{shown}: not one value is finite", "look at how the data were made")


def check_labels(labels: Numbers, samples: int, shown: str) -> Labels:
    """Return class numbers, one for each sample.

    Args:
        labels: (N,) or (N, 1), integers.
        samples: N.
        shown: How to name the data in the error.

    Raises:
        DataError: If they are something else.
    """
    if labels.dtype.kind not in "biu" or labels.shape not in ((samples,), (samples, 1)):
        what = f"labels of type {printable(labels.dtype, limit=40)} and shape {labels.shape}"
        raise DataError(f"{shown}: {what} are not {samples:,} class numbers", "save integers of shape (N,)")
    return labels.reshape(samples).astype(np.int64)
