"""Where the units of a tensor are: which of its axes count units, and which positions."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from propstats.rules.from_torch import NoRuleError


@dataclass(frozen=True, slots=True)
class Place:
    """The shape of a tensor, without the batch.

    Args:
        shape: Sizes of its axes.
        axes: Which of them count units: several where units are split among heads.
        batch: Which of them is the batch, where that was moved behind others; then it is one of the shape's.
    """

    shape: tuple[int, ...]
    axes: frozenset[int]
    batch: int | None = None

    @classmethod
    def last(cls, shape: Sequence[int]) -> "Place":
        """Return a place with its units along the last axis."""
        return cls(tuple(shape), frozenset([len(shape) - 1] if shape else []))

    @classmethod
    def first(cls, shape: Sequence[int]) -> "Place":
        """Return a place with its units along the first axis."""
        return cls(tuple(shape), frozenset([0] if shape else []))

    @classmethod
    def usual(cls, shape: Sequence[int]) -> "Place":
        """Return a place as it is by custom: images channels first, sequences and vectors features last."""
        return cls.first(shape) if len(shape) > 2 else cls.last(shape)

    @property
    def units(self) -> int:
        """How many units there are."""
        return math.prod(self.shape[axis] for axis in self.axes)

    @property
    def positions(self) -> tuple[int, ...]:
        """The sizes of the other axes."""
        return tuple(size for axis, size in enumerate(self.shape) if axis not in self.axes and axis != self.batch)

    @property
    def count(self) -> int:
        """How many positions there are."""
        return math.prod(self.positions)

    def like(self, shape: Sequence[int]) -> "Place":
        """Return a tensor of another shape with its units along the same axes."""
        return Place(tuple(shape), self.axes, self.batch) if len(shape) == len(self.shape) else Place.usual(shape)

    def axis(self, dim: int) -> int:
        """Return which axis a dimension is, as torch counts them: the batch is 0.

        Raises:
            NoRuleError: If it is the batch.
        """
        behind = dim < 0 or self.batch is not None
        axis = dim % len(self.shape) if behind and dim >= -len(self.shape) else dim - 1
        if axis < 0 or axis == self.batch:
            raise NoRuleError("no rule for what is done across the batch")
        return axis

    def without(self, axis: int) -> "Place":
        """Return the place after one axis is gone; the batch is the first axis then."""
        kept = [other for other in range(len(self.shape)) if other not in (axis, self.batch)]
        if self.batch is not None and axis > 0 and self.batch > 0:
            raise NoRuleError("no rule for a batch between other axes")
        return self.permuted(kept, [self.shape[other] for other in kept])

    def permuted(self, order: Sequence[int], shape: Sequence[int]) -> "Place":
        """Return the place after its axes have changed places: axis k is that which was `order[k]`."""
        return Place(tuple(shape), frozenset(new for new, old in enumerate(order) if old in self.axes))


def reshaped(place: Place, shape: Sequence[int]) -> tuple[Place, bool]:
    """Return the place after a reshape, and whether units and positions became one axis.

    Args:
        place: Before.
        shape: The new shape.

    >>> reshaped(Place.first((8, 4, 4)), (8, 16))
    (Place(shape=(8, 16), axes=frozenset({0})), False)
    >>> reshaped(Place.first((8, 4, 4)), (128,))[1]
    True
    """
    after = tuple(shape)
    if math.prod(after) != math.prod(place.shape):
        return Place.usual(after), False
    axes: set[int] = set()
    mixed = False
    for old, new in _blocks(place.shape, after):
        inside = place.axes & set(old)
        if inside and any(place.shape[axis] > 1 for axis in set(old) - inside):
            # Units beside positions stay apart where the new axes still tell them apart: units are the trailing sizes.
            mixed = mixed or len(new) < 2
            axes |= set(new) if len(new) < 2 else {new[-1] if max(inside) == old[-1] else new[0]}
        elif inside:
            axes |= set(new)
    return Place(after, frozenset(axes)), mixed


def _blocks(before: Sequence[int], after: Sequence[int]) -> list[tuple[list[int], list[int]]]:
    """Return which axes became which: the smallest groups with the same product."""
    found: list[tuple[list[int], list[int]]] = []
    i = j = 0
    while i < len(before) or j < len(after):
        old, new, left, right = [], [], 1, 1
        while True:
            if left <= right and i < len(before):
                left *= before[i]
                old.append(i)
                i += 1
            elif j < len(after):
                right *= after[j]
                new.append(j)
                j += 1
            else:
                break
            if left == right and new:
                break
        found.append((old, new))
    return found
