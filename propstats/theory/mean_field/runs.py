"""Stretches of a grid on which something holds."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray


def runs(mask: NDArray[np.bool_]) -> Iterator[tuple[int, int]]:
    """Yield first and last index of every run of true.

    >>> list(runs(np.array([True, False, True, True])))
    [(0, 0), (2, 3)]
    """
    edges = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]]).astype(int)))
    for first, end in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        yield first, end - 1
