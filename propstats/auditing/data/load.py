"""Data to send through a network: the embedded digits, Gaussian noise, or the user's own arrays."""

import math
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import torch

from propstats.auditing.data.arrays import Array, read_arrays, read_digits
from propstats.auditing.data.normalize import NORMALIZATIONS, standardise
from propstats.errors import DataError, DomainError, unknown_name
from propstats.text import printable

_KNOWN: Final = ["digits", "gaussian:SHAPE", "FILE.npy", "FILE.npz"]
_ABSENT: Final = frozenset({"cifar10", "cifar100", "svhn", "mnist", "fashion-mnist", "imagenet"})
_GAUSSIAN_SAMPLES: Final = 1_000
_GAUSSIAN_SEED: Final = 0
_GAUSSIAN_MAX: Final = 1 << 28


@dataclass(frozen=True, slots=True)
class Dataset:
    """Inputs, and their labels if there are any.

    Attributes:
        name: As it was asked for.
        sha256: Of the raw content: data types, shapes and bytes, before anything is normalised.
        inputs: (N, ...), float32; int64 for tokens.
        labels: (N,), int64, or None.
        normalization: "none", "global" or "feature".
    """

    name: str
    sha256: str
    inputs: torch.Tensor
    labels: torch.Tensor | None
    normalization: str


def load_data(name: str, *, normalize: str | None = None) -> Dataset:
    """Load a data set by name or from a file.

    Args:
        name: `digits` (1,797 real images of 1x8x8), `gaussian:3x32x32` (1,000 samples of N(0, 1)), or a .npy
            or .npz file (told by its bytes). A name is never taken for a file; write `./digits` for that.
        normalize: "none"; "global": mean 0 and standard deviation 1 over all values; "feature": value by
            value, over the samples. None: "global" for digits, "none" otherwise. Values that are not finite
            are left out of the statistics and stay what they are.

    Returns:
        The data; inputs of shape (N, ...).

    Raises:
        UnknownNameError: If the name is neither known nor a file.
        DomainError: If `normalize` or the shape of the noise makes no sense.
        DataError: If the data cannot be had or used.

    >>> data = load_data("digits")
    >>> tuple(data.inputs.shape), tuple(data.labels.shape), data.normalization
    ((1797, 1, 8, 8), (1797,), 'global')
    """
    if normalize is not None and normalize not in NORMALIZATIONS:
        raise DomainError(f"unknown normalisation {normalize!r}", f"known: {', '.join(NORMALIZATIONS)}")
    shown = printable(name, limit=300)
    default = "none"
    if name == "digits":
        inputs, labels, sha256 = read_digits()
        default = "global"
    elif name == "gaussian" or name.startswith("gaussian:"):
        inputs, labels, sha256 = _gaussian(name)
    else:
        _check_is_file(name, shown)
        inputs, labels, sha256 = read_arrays(name)
    mode = normalize if normalize is not None else default
    return Dataset(shown, sha256, _inputs(inputs, mode, shown), _labels(labels), mode)


def _check_is_file(name: str, shown: str) -> None:
    if name.lower().replace("_", "-") in _ABSENT:
        ways = "pass your own copy with --data FILE.npy or FILE.npz, or use --data digits"
        raise DataError(f"propstats does not carry {shown} yet, and puts nothing else in its place", ways)
    looks_like_file = any(mark in name for mark in (os.sep, os.altsep or os.sep, "."))
    if not looks_like_file and not Path(name).exists():
        raise unknown_name("data set", shown, _KNOWN)


def _gaussian(name: str) -> Array:
    text = name.partition(":")[2]
    if not re.fullmatch(r"[1-9]\d{0,8}(x[1-9]\d{0,8}){0,7}", text):
        raise DomainError(f"{printable(name, limit=120)!r} gives no shape", "e.g. gaussian:64 or gaussian:3x32x32")
    shape = tuple(int(size) for size in text.split("x"))
    if math.prod(shape) * _GAUSSIAN_SAMPLES > _GAUSSIAN_MAX:
        limit = f"{_GAUSSIAN_MAX // _GAUSSIAN_SAMPLES:,} values"
        raise DomainError(f"a sample of {text} is too large", f"up to {limit} in one sample")
    generator = torch.Generator().manual_seed(_GAUSSIAN_SEED)
    noise = torch.randn((_GAUSSIAN_SAMPLES, *shape), generator=generator).numpy()
    return Array.of(noise, None)


def _inputs(values: npt.NDArray[np.generic], mode: str, shown: str) -> torch.Tensor:
    if values.dtype.kind == "i" and values.dtype.itemsize == 8:
        if mode != "none":
            raise DataError(f"{shown}: int64 values are tokens, which have no mean", "drop --normalize")
        return torch.from_numpy(np.array(values, dtype=np.int64))
    return torch.from_numpy(standardise(values, mode))


def _labels(labels: npt.NDArray[np.int64] | None) -> torch.Tensor | None:
    return None if labels is None else torch.from_numpy(labels)
