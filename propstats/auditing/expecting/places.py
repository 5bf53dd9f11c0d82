"""Where the units of a tensor are: which of its axes count units, and which positions."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from propstats.rules.from_torch import NoRuleError
from propstats.rules.rule import Join, Rule


@dataclass(frozen=True, slots=True)
class Place:
    """The shape of a tensor, without the batch.

    Args:
        shape: Sizes of its axes.
        axes: Which of them count units: several where units are split among heads.
        batch: Which dimension of the whole tensor is the batch: the first, unless it was moved.
        folded: Whether the first axis counts parts of a sample, as windows of an image, that lie with the samples in
            the tensor's first dimension.
    """

    shape: tuple[int, ...]
    axes: frozenset[int]
    batch: int = 0
    folded: bool = False

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
        return tuple(size for axis, size in enumerate(self.shape) if axis not in self.axes)

    @property
    def count(self) -> int:
        """How many positions there are."""
        return math.prod(self.positions)

    @property
    def dims(self) -> int:
        """How many dimensions the whole tensor has."""
        return len(self.shape) + 1 - self.folded

    def like(self, shape: Sequence[int]) -> "Place":
        """Return a tensor of another shape with its units along the same axes."""
        return Place(tuple(shape), self.axes, self.batch) if len(shape) == len(self.shape) else Place.usual(shape)

    def axis(self, dim: int) -> int:
        """Return which axis a dimension is, as torch counts them: the batch is 0.

        Raises:
            NoRuleError: If it is the batch.
        """
        dim %= self.dims
        if dim == self.batch:
            raise NoRuleError("no rule for what is done across the batch")
        return dim if self.folded else dim - (dim > self.batch)

    def without(self, axis: int) -> "Place":
        """Return the place after one axis is gone."""
        kept = [other for other in range(len(self.shape)) if other != axis]
        axes = frozenset(new for new, old in enumerate(kept) if old in self.axes)
        shape = tuple(self.shape[other] for other in kept)
        return Place(shape, axes, self.batch - (axis < self.batch), self.folded and axis > 0)

    def permuted(self, order: Sequence[int]) -> "Place":
        """Return the place after dimensions have changed places: number k is that which was `order[k]`.

        Raises:
            NoRuleError: If that moves parts of samples with the batch.
        """
        if self.folded:
            if order[0] != 0:
                raise NoRuleError("no rule for moving samples whose parts lie with them in one dimension")
            axes = frozenset(new for new, axis in enumerate(order) if axis in self.axes)
            return Place(tuple(self.shape[axis] for axis in order), axes, self.batch, True)
        batch = order.index(self.batch)
        old = [dim - (dim > self.batch) for dim in order if dim != self.batch]
        axes = frozenset(new for new, axis in enumerate(old) if axis in self.axes)
        return Place(tuple(self.shape[axis] for axis in old), axes, batch)


#: The rule of a call, and the place of what it gives.
RuleAndPlace = tuple[Rule | Join, Place]


def reshaped(place: Place, shape: Sequence[int]) -> tuple[Place, bool]:
    """Return the place after a reshape, and whether units and positions became one axis.

    Args:
        place: Before.
        shape: The new shape.

    >>> reshaped(Place.first((8, 4, 4)), (8, 16))
    (Place(shape=(8, 16), axes=frozenset({0}), batch=0, folded=False), False)
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
