"""MATLAB files (version 5), the format of SVHN: images X of shape (height, width, channels, N) and labels y."""

from pathlib import Path
from typing import Final

import numpy as np

from propstats.auditing.data.arrays import check_claim, together
from propstats.auditing.data.rows import Array, Numbers
from propstats.errors import DataError

MAGIC: Final = b"MATLAB 5.0 MAT-file"
_HINT: Final = "save X of shape (height, width, channels, N), and y of shape (N, 1)"


def read_matlab(path: Path, shown: str) -> Array:
    """Read images and labels.

    Args:
        path: The file, with an array `X`, (height, width, channels, N) or (N, features), and perhaps labels `y`. A
            label 10 stands for the digit 0, as in SVHN, if 0 itself does not occur.
        shown: How to name the file in an error.

    Raises:
        DataError: If the file is damaged, or holds something else.
    """
    from scipy import io

    try:
        claims = {name: (shape, kind) for name, shape, kind in io.whosmat(str(path))}
    except Exception as error:  # scipy raises many kinds on damaged files
        raise DataError(f"{shown}: the MATLAB file is damaged or truncated", "download it again") from error
    for name in ("X", "y"):
        shape, kind = claims.get(name, ((), "double"))
        if kind in ("cell", "struct", "object", "char", "sparse", "function", "opaque", "unknown"):
            raise DataError(f"{shown}: {name} is a {kind}, not an array of numbers", _HINT)
        check_claim(tuple(shape), 8, shown, name)
    if "X" not in claims:
        raise DataError(f"{shown}: holds no array X", _HINT)
    try:
        content = io.loadmat(str(path), variable_names=["X", "y"])
    except Exception as error:  # as above
        raise DataError(f"{shown}: the MATLAB file is damaged or truncated", "download it again") from error
    images: Numbers = np.asarray(content["X"])
    if images.ndim == 4:
        images = np.ascontiguousarray(images.transpose(3, 2, 0, 1))
    labels = np.asarray(content["y"]) if "y" in content else None
    if labels is not None and labels.dtype.kind == "f" and np.isfinite(labels).all() and (labels % 1 == 0).all():
        labels = labels.astype(np.int64)  # MATLAB's numbers are floats unless told otherwise
    if labels is not None and labels.size and labels.dtype.kind in "iu" and labels.min() > 0 and labels.max() == 10:
        labels = labels % 10
    return together(images, labels, shown)
