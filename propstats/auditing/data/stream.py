"""Batches that the user's own code gives, one after another: a DataLoader, a list, a generator."""

import itertools
import random
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import torch

from propstats.auditing.data.dataset import regrouped
from propstats.auditing.data.rows import Labels, Numbers, Part, check_labels
from propstats.errors import DataError
from propstats.text import printable, reason_of

#: Under these names dictionaries hold inputs, and labels.
INPUT_KEYS: Final = ("x", "inputs", "images", "data", "input_ids", "pixel_values", "input_values", "image", "input")
LABEL_KEYS: Final = ("y", "labels", "targets", "label", "target")


@dataclass(frozen=True, slots=True, eq=False)
class Stream:
    """Samples that come batch by batch.

    Attributes:
        name: How to name it in an error.
        open: Begins anew; gives batches: a tensor or array (n, ...), a pair (inputs, labels), or a dictionary.
        limit: How many samples to take at most.
        seed: What the user's code draws at random is drawn from this seed.
        shape: Shape of one sample.
        dtype: How its values are stored.
    """

    name: str
    open: Callable[[], Iterable[object]]
    limit: int | None
    seed: int
    shape: tuple[int, ...]
    dtype: str
    count: int | None = field(default=None, init=False)
    available: int | None = field(default=None, init=False)

    def parts(self, size: int) -> Iterator[Part]:
        """Yield the samples from the beginning, `size` at a time.

        Raises:
            DataError: If the batches break off, do not belong together, or hold nothing finite.
        """
        return regrouped(self._checked(), size)

    def for_statistics(self, size: int) -> Iterator[Part]:
        """Yield the samples that are used: a stream may have no end."""
        return self.parts(size)

    def _checked(self) -> Iterator[Part]:
        left = self.limit
        finite, taken = False, 0
        for number, part in enumerate(batches_of(self.name, self.open, self.seed)):
            if part.inputs.shape[1:] != self.shape:
                shapes = f"{part.inputs.shape[1:]}, the first one {self.shape}"
                raise DataError(f"{self.name}: batch {number} has samples of shape {shapes}", "make them all alike")
            if left is not None and len(part.inputs) > left:
                part = part.rows(slice(left))
            taken += len(part.inputs)
            finite = finite or part.inputs.dtype.kind != "f" or bool(np.isfinite(part.inputs).any())
            yield part
            if left is not None:
                left -= len(part.inputs)
                if left == 0:
                    break
        if taken and not finite:
            raise DataError(f"{self.name}: not one value is finite", "look at how the data are made")


def stream(
    name: str, source: Iterable[object] | Callable[[], Iterable[object]], limit: int | None, seed: int
) -> Stream:
    """Look at the first batch of a stream.

    Args:
        name: How to name it in an error.
        source: Batches, or a function that begins them anew.
        limit: How many samples to take at most.
        seed: Of what the user's code draws at random.

    Raises:
        DataError: If there is no first batch, or it is no data.
    """
    begin = source if callable(source) and not isinstance(source, Iterable) else _reopened(name, source)
    first = next(batches_of(name, begin, seed), None)
    if first is None:
        raise DataError(f"{name}: gives no batches", "it must give at least one")
    return Stream(name, begin, limit, seed, first.inputs.shape[1:], first.inputs.dtype.name)


def _reopened(name: str, source: Any) -> Callable[[], Iterable[object]]:
    if not isinstance(source, Iterator):
        return lambda: iter(source)
    iterator = source
    # A generator comes once: the batch that was looked at is put back, and a second pass has nothing to give.
    seen: list[object] = []
    passes = itertools.count()

    def begin() -> Iterator[object]:
        turn = next(passes)
        if turn == 0:
            seen.extend(itertools.islice(iterator, 1))
            return iter(seen)
        if turn > 1:
            hint = "pass a DataLoader, a list or a function that makes it, or --normalize batch"
            raise DataError(f"{name}: an iterator can be read only once", hint)
        return itertools.chain(seen, iterator)

    return begin


def batches_of(name: str, begin: Callable[[], Iterable[object]], seed: int) -> Iterator[Part]:
    """Read batches; what the user's code draws at random comes from the seed and leaves the process as it was."""
    own = UserCode(seed)
    try:
        with own:
            iterator = iter(begin())
    except DataError:
        raise
    except Exception as error:
        raise _broke(name, "cannot be iterated over", error) from error
    for number in itertools.count():
        try:
            with own:
                batch = next(iterator)
        except StopIteration:
            return
        except DataError:
            raise
        except Exception as error:
            raise _broke(name, f"fails at batch {number}", error) from error
        yield part_of(batch, f"{name}: batch {number}")


def _broke(name: str, what: str, error: Exception) -> DataError:
    reason = reason_of(error, named=True)
    return DataError(f"{name}: {what}: {reason}", "it must give batches of inputs, or pairs of inputs and labels")


def part_of(batch: object, where: str) -> Part:
    """Take inputs, and labels if there are any, out of a batch.

    Args:
        batch: A tensor or array (n, ...); a pair (inputs, labels); or a dictionary of which one of `INPUT_KEYS`, or
            the first value, is what is measured; other tensors in it are arguments of the network by their names.
        where: How to name it in the error.

    Raises:
        DataError: If there are no inputs in it, or the labels are not one for each sample.
    """
    inputs: object = batch
    labels: object = None
    name, others = "", dict[str, Numbers]()
    if isinstance(batch, Mapping):
        label_key = next((key for key in LABEL_KEYS if key in batch), None)
        rest = {str(key): value for key, value in batch.items() if key != label_key}
        name = next((key for key in INPUT_KEYS if key in rest), next(iter(rest), ""))
        inputs = rest.pop(name, None)
        labels = None if label_key is None else batch[label_key]
        arrays = {key: value for key, value in rest.items() if isinstance(value, torch.Tensor | np.ndarray)}
        others = {key: as_array(value, where) for key, value in arrays.items()}
    elif isinstance(batch, list | tuple) and len(batch) > 0:
        inputs = batch[0]
        labels = batch[1] if len(batch) == 2 else None
    if not isinstance(inputs, torch.Tensor | np.ndarray):
        what = f"holds a {printable(type(inputs).__name__, limit=40)} where the inputs should be"
        raise DataError(f"{where} {what}", "give a tensor, a pair (inputs, labels), or a dictionary with `inputs`")
    values = as_array(inputs, where)
    if values.dtype.kind not in "biuf" or values.ndim < 2 or values.size == 0:
        what = f"has shape {values.shape} and type {printable(values.dtype, limit=40)}"
        raise DataError(f"{where} {what}", "give real numbers of shape (samples, ...)")
    if any(other.shape[:1] != values.shape[:1] for other in others.values()):
        raise DataError(f"{where} has arguments with different numbers of samples", "give each one row for each sample")
    return Part(values, _class_numbers(labels, len(values), where), name, others)


def _class_numbers(labels: object, samples: int, where: str) -> Labels | None:
    """Return class numbers; targets of another kind (numbers to regress, tokens) are nothing an audit uses."""
    if not isinstance(labels, torch.Tensor | np.ndarray) or labels.ndim == 0:
        return None
    values = as_array(labels, where)
    if len(values) != samples:
        raise DataError(f"{where} has {samples:,} inputs and {len(values):,} labels", "give one label for each sample")
    is_class = values.dtype.kind in "biu" and values.size == samples
    return check_labels(values.reshape(samples), samples, where) if is_class else None


def as_array(values: "torch.Tensor | np.ndarray[Any, Any]", where: str) -> Numbers:
    """Return a tensor as an array; numpy knows neither bfloat16 nor what is smaller.

    Raises:
        DataError: If the tensor has no plain memory behind it.
    """
    if isinstance(values, np.ndarray):
        return values
    try:
        plain = values.detach().to("cpu")
        if plain.is_floating_point() and plain.dtype not in (torch.float16, torch.float32, torch.float64):
            plain = plain.float()
        array: Numbers = plain.numpy()
    except (RuntimeError, TypeError, NotImplementedError) as error:
        what = f"is a tensor without plain memory: {reason_of(error, limit=120)}"
        raise DataError(f"{where} {what}", "make it dense, with values") from error
    return array


class UserCode:
    """A context for code of the user: it draws at random from a seed of its own, and prints to stderr.

    The process-wide generators are afterwards as they were before.
    """

    def __init__(self, seed: int) -> None:
        outer = _generators()
        torch.default_generator.manual_seed(seed)
        np.random.seed(seed % 2**32)  # noqa: NPY002 - what the user's code may draw from
        random.seed(seed)
        self._inner = _generators()
        _set_generators(outer)
        self._output = redirect_stdout(sys.stderr)

    def __enter__(self) -> None:
        self._outer = _generators()
        _set_generators(self._inner)
        self._output.__enter__()

    def __exit__(self, *reason: object) -> None:
        self._output.__exit__(None, None, None)
        self._inner = _generators()
        _set_generators(self._outer)


def _generators() -> tuple[Any, Any, Any]:
    return torch.get_rng_state(), np.random.get_state(), random.getstate()  # noqa: NPY002


def _set_generators(state: tuple[Any, Any, Any]) -> None:
    torch.set_rng_state(state[0])
    np.random.set_state(state[1])  # noqa: NPY002
    random.setstate(state[2])
