"""The kinds of windows of a pooling layer along one axis, and which inputs they cover, with borders."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from propstats.errors import DomainError
from propstats.theory.geometry import Axis, Counts

#: Along one axis; larger inputs are as good as infinite.
LARGEST = 10**6


@dataclass(frozen=True, slots=True, eq=False)
class PoolAxis:
    """The windows along one axis, and for each input position by how many it is covered.

    Windows that hold equally many inputs form a class, positions that the same windows cover form a group.

    Args:
        inputs: How many real inputs a window holds, by class.
        spans: How many places a window takes, padding included, by class.
        windows: How many windows there are, by class.
        cover: How many windows of a class hold a position of a group; shape (classes, groups).
        first: How many of them have it as their first input, if that matters; shape (classes, groups).
        positions: How many positions are in each group; shape (groups,).
        group: The group of each position; shape (positions,).
    """

    inputs: tuple[int, ...]
    spans: tuple[int, ...]
    windows: tuple[int, ...]
    cover: Counts
    first: Counts
    positions: Counts
    group: Counts

    @property
    def size(self) -> int:
        """The number of positions: those of the input, or of one stride of the interior."""
        return int(self.group.size)

    @property
    def outputs(self) -> int:
        """The number of windows: all of them, or one for each stride of the interior."""
        return sum(self.windows)

    def merged(self) -> "PoolAxis":
        """Return the same windows where it does not matter which input is first: fewer groups.

        >>> interior(3, 3).positions.tolist(), interior(3, 3).merged().positions.tolist()
        ([2, 1], [3])
        """
        cover = self.cover[:, self.group]
        return _axis(list(self.inputs), list(self.spans), list(self.windows), cover, np.zeros_like(cover))

    @property
    def examples(self) -> tuple[int, ...]:
        """The first position of each group."""
        return tuple(int(np.argmax(self.group == group)) for group in range(self.positions.size))


def interior(kernel: int, stride: int, padding: int = 0, dilation: int = 1) -> PoolAxis:
    """Return the windows far from all borders: one stride of positions, and the windows that begin in it.

    >>> interior(3, 2).cover.tolist()  # every other position lies in two windows
    [[1, 2]]
    """
    _check(kernel, stride, padding, dilation)
    # Windows begin at all j*stride - padding; place a of a window holds the position a*dilation further on.
    held = (np.arange(kernel) * dilation - padding) % stride
    cover, first = (np.bincount(places, minlength=stride)[None] for places in (held, held[:1]))
    return _axis([kernel], [kernel], [1], cover, first)


def bordered(
    size: int, kernel: int, stride: int, padding: int = 0, dilation: int = 1, *, ceil_mode: bool = False
) -> PoolAxis:
    """Return the windows over an input of some size, those at the borders with fewer inputs.

    Raises:
        DomainError: If the arguments are no pooling that torch would do.

    >>> axis = bordered(5, 3, 2, 1)
    >>> axis.inputs, axis.windows, axis.cover[:, axis.group].tolist()
    ((2, 3), (2, 1), [[1, 1, 0, 1, 1], [0, 1, 1, 1, 0]])
    """
    _check(kernel, stride, padding, dilation)
    _check_size(size)
    begin = Axis(size, kernel, stride, (padding, padding), dilation, ceil_mode=ceil_mode).begins
    return _windows(
        size, [_inside(int(b), kernel, dilation, size) for b in begin], _spans(begin, kernel, size, padding)
    )


def adaptive(size: int, output: int) -> PoolAxis:
    """Return the windows of adaptive pooling: window j holds `floor(j n/m) <= i < ceil((j + 1) n/m)` for n to m.

    >>> adaptive(5, 2).cover[:, adaptive(5, 2).group].tolist()  # both windows hold the middle
    [[1, 1, 2, 1, 1]]
    """
    _check_size(size)
    if not 1 <= output <= LARGEST:
        raise DomainError(f"an output size must be between 1 and {LARGEST}, got {output}")
    held = [range(j * size // output, -(-(j + 1) * size // output)) for j in range(output)]
    return _windows(size, held, [len(inside) for inside in held])


def _inside(begin: int, kernel: int, dilation: int, size: int) -> range:
    """Return the real inputs of a window."""
    skipped = max(0, -(begin // dilation))  # those before the input begins
    begin, end = begin + skipped * dilation, min(begin + kernel * dilation, size)
    if begin >= end:
        raise DomainError("a window lies in the padding alone", "use less padding or dilation, or a larger --size")
    return range(begin, end, dilation)


def _spans(begin: Counts, kernel: int, size: int, padding: int) -> list[int]:
    """Return how many places each window takes; in `ceil_mode` the last may run over the padding and is cut off."""
    return [int(width) for width in np.minimum(begin + kernel, size + padding) - begin]


def _windows(size: int, held: Sequence[range], spans: Sequence[int]) -> PoolAxis:
    """Sort windows into classes and positions into groups."""
    classes = sorted({(len(inside), span) for inside, span in zip(held, spans, strict=True)})
    cover, first = (np.zeros((len(classes), size), dtype=np.int64) for _ in range(2))
    windows = [0] * len(classes)
    for inside, span in zip(held, spans, strict=True):
        k = classes.index((len(inside), span))
        windows[k] += 1
        cover[k, inside.start : inside.stop : inside.step] += 1
        first[k, inside.start] += 1
    return _axis([n for n, _ in classes], [span for _, span in classes], windows, cover, first)


def _axis(inputs: list[int], spans: list[int], windows: list[int], cover: Counts, first: Counts) -> PoolAxis:
    # Positions are the same if all their numbers are: one row after the other tells more of them apart.
    group = np.zeros(cover.shape[1], dtype=np.int64)
    for row in (*cover, *first):
        group = np.unique(group * (int(row.max()) + 1) + row, return_inverse=True)[1].reshape(-1)
    examples, positions = np.unique(group, return_index=True, return_counts=True)[1:]
    return PoolAxis(
        tuple(inputs), tuple(spans), tuple(windows), cover[:, examples], first[:, examples], positions, group
    )


def _check(kernel: int, stride: int, padding: int, dilation: int) -> None:
    for what, value in (("kernel", kernel), ("stride", stride), ("dilation", dilation)):
        if not 1 <= value <= LARGEST:
            raise DomainError(f"the {what} must be between 1 and {LARGEST}, got {value}", "for example --kernel 3")
    if not 0 <= 2 * padding <= kernel:
        raise DomainError(
            f"the padding must be between 0 and half of the kernel, got {padding} for a kernel of {kernel}",
            "torch refuses more",
        )


def _check_size(size: int) -> None:
    if not 1 <= size <= LARGEST:
        raise DomainError(f"an input size must be between 1 and {LARGEST}, got {size}", "for example --size 32")
