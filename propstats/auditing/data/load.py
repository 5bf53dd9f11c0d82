"""Whatever the user calls data -> a data set: a name, a file, a factory, tensors, or a DataLoader."""

import os
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as TorchDataset

from propstats.auditing.data.arrays import read_digits
from propstats.auditing.data.dataset import Dataset, dataset
from propstats.auditing.data.factory import find_factory, is_factory
from propstats.auditing.data.files import read_file
from propstats.auditing.data.find import Places, read_known
from propstats.auditing.data.images import open_folder
from propstats.auditing.data.known import KNOWN, known_name
from propstats.auditing.data.noise import read_gaussian
from propstats.auditing.data.normalize import GROUP, NORMALIZATIONS
from propstats.auditing.data.rows import Array, Chosen, check_inputs, check_labels, choose
from propstats.auditing.data.stream import Stream, UserCode, as_array, stream
from propstats.errors import DataError, DomainError, unknown_name
from propstats.text import printable

#: Samples of an audit unless the user says otherwise: enough for standard errors of a few percent, within a minute.
DEFAULT_SAMPLES: Final = 2048

_NAMES: Final = ["digits", *KNOWN, "gaussian:SHAPE", "MODULE:FACTORY", "FILE", "FOLDER"]


def load_data(
    name: str,
    *,
    normalize: str | None = None,
    samples: int | None = None,
    seed: int = 0,
    places: Places | None = None,
) -> Dataset:
    """Load a data set by name, from a file, or from the user's own code.

    Args:
        name: `digits` (1,797 real images of 1x8x8); `cifar10`, `cifar100`, `svhn`, `mnist` or `fashion-mnist` (the test
            images; `cifar10:train` the others); `gaussian:3x32x32` (samples of N(0, 1), 1,000 by default); a file (told
            by its bytes) or a folder of images; or `package.module:factory`, the user's function that gives tensors or
            batches. A name is never taken for a file; write `./digits` for that.
        normalize: "none"; "global": mean 0 and standard deviation 1 over all values; "feature": value by value, over
            the samples; "batch": value by value, in groups of 256 samples as they are sent. None: "global" for
            images with a name, "none" otherwise. Values that are not finite are left out of the statistics and stay
            what they are.
        samples: How many to use, chosen at random; of a stream, the first ones. None for all.
        seed: Of the choice, and of what the user's code draws at random.
        places: Where data sets with a name are kept, and whether they may be downloaded.

    Returns:
        The data; inputs of shape (N, ...).

    Raises:
        UnknownNameError: If the name is neither known nor a file.
        DomainError: If `normalize`, `samples` or the shape of the noise makes no sense.
        DataError: If the data cannot be had or used.

    >>> data = load_data("digits")
    >>> tuple(data.inputs.shape), tuple(data.labels.shape), data.normalization
    ((1797, 1, 8, 8), (1797,), 'global')
    """
    return open_data(name, normalize=normalize, samples=samples, seed=seed, places=places)


def open_data(
    data: object,
    *,
    normalize: str | None = None,
    samples: int | None = None,
    seed: int = 0,
    places: Places | None = None,
) -> Dataset:
    """Make a data set of whatever an audit is given.

    Args:
        data: A name or path as in `load_data`; a tensor or array (samples, ...); a pair (inputs, labels) of them; a
            torch DataLoader or Dataset; or an iterable of batches.
        normalize: As in `load_data`.
        samples: As in `load_data`.
        seed: As in `load_data`.
        places: As in `load_data`.

    Raises:
        UnknownNameError: If a name is neither known nor a file.
        DomainError: If an argument makes no sense.
        DataError: If the data cannot be had or used.
    """
    if normalize is not None and normalize not in NORMALIZATIONS:
        raise DomainError(f"unknown normalisation {normalize!r}", f"known: {', '.join(NORMALIZATIONS)}")
    if samples is not None and samples < 1:
        raise DomainError(f"samples must be at least 1, got {samples}", "2 at least for an audit, better hundreds")
    choice = _Choice(normalize, samples, seed, places or Places())
    if isinstance(data, str | os.PathLike):
        return choice.named(os.fspath(data))
    return choice.made(data, type(data).__name__.lower())


class _Choice:
    """What is done with data once they are found."""

    def __init__(self, normalize: str | None, samples: int | None, seed: int, places: Places) -> None:
        self.normalize, self.samples, self.seed, self.places = normalize, samples, seed, places

    def named(self, name: str) -> Dataset:
        """Find data by name."""
        shown = printable(name, limit=300)
        if name == "digits":
            return self.rows(shown, read_digits(), default="global")
        if name == "gaussian" or name.startswith("gaussian:"):
            return self.rows(shown, read_gaussian(name, self.samples))
        known = known_name(name)
        if known is not None:
            array = read_known(*known, self.places)
            there = (f"./{shown} was not looked at: a name comes before a file",) if os.path.lexists(name) else ()
            return self.rows(":".join(known), replace(array, notes=array.notes + there), default="global")
        if is_factory(name):
            return self.factory(name, shown)
        _check_is_file(name, shown)
        if Path(name).is_dir():
            return self.images(Path(name), shown)
        return self.rows(shown, read_file(name))

    def images(self, root: Path, shown: str) -> Dataset:
        """Choose images of a folder."""
        mode = self.normalize or "global"
        folder = open_folder(root, shown, samples=self.samples, seed=self.seed, shuffle=mode == "batch")
        return dataset(shown, folder, sha256=folder.sha256, normalize=mode, notes=folder.notes)

    def rows(self, name: str, array: Array, *, default: str = "none", keep: torch.dtype | None = None) -> Dataset:
        """Choose rows of arrays."""
        mode = self.normalize or default
        index = choose(len(array.inputs), self.samples, seed=self.seed, shuffle=mode == "batch")
        return dataset(name, Chosen(array, index), sha256=array.sha256, normalize=mode, notes=array.notes, keep=keep)

    def stream(self, name: str, source: Stream) -> Dataset:
        """Take the first samples of a stream."""
        return dataset(name, source, sha256=None, normalize=self.normalize or "none")

    def factory(self, name: str, shown: str) -> Dataset:
        """Call the user's function."""
        make = find_factory(name)
        with UserCode(self.seed):
            made = make()
        if isinstance(made, Iterator):  # a generator: a second pass calls the function again
            return self.stream(shown, stream(shown, make, self.samples, self.seed))
        return self.made(made, shown)

    def made(self, data: Any, name: str) -> Dataset:
        """Take tensors, pairs of them, or batches."""
        if isinstance(data, torch.Tensor | np.ndarray):
            return self.tensors(data, None, name)
        if isinstance(data, tuple) and len(data) == 2 and all(isinstance(v, torch.Tensor | np.ndarray) for v in data):
            return self.tensors(data[0], data[1], name)
        if isinstance(data, TorchDataset) and not isinstance(data, Iterable):
            data = DataLoader(data, batch_size=GROUP)
        if not isinstance(data, Iterable):
            hint = "a tensor, a pair (inputs, labels), a DataLoader, or an iterable of batches"
            raise DataError(f"{name}: a {printable(type(data).__name__, limit=60)} is no data", hint)
        return self.stream(name, stream(name, data, self.samples, self.seed))

    def tensors(self, inputs: Any, labels: Any, name: str) -> Dataset:
        """Take arrays in memory as they are, without copying or hashing them."""
        values = as_array(inputs, name)
        if values.ndim < 2 or len(values) == 0:
            raise DataError(f"data of shape {values.shape} hold no samples", "the first axis counts samples")
        check_inputs(values, name)
        numbers = None if labels is None else check_labels(as_array(labels, name), len(values), name)
        keep = torch.int64 if values.dtype.name == "int32" else None
        if values.dtype.kind == "f":
            keep = inputs.dtype if isinstance(inputs, torch.Tensor) else torch.from_numpy(values[:0]).dtype
        return self.rows(name, Array(values, numbers, None), keep=keep)


def _check_is_file(name: str, shown: str) -> None:
    looks_like_file = any(mark in name for mark in (os.sep, os.altsep or os.sep, "."))
    try:
        there = Path(name).exists()
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "not a possible path"
        raise DataError(f"{shown}: cannot be read ({why})", "check the path and its permissions") from error
    if not looks_like_file and not there:
        raise unknown_name("data set", shown, _NAMES)
