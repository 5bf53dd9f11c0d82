"""Indices and slices: what is left of a signal, and where its units are."""

import math

from propstats.auditing.expecting.arguments import Arguments
from propstats.auditing.expecting.places import Place
from propstats.auditing.measuring.call import INPUT
from propstats.rules.affine import Unchanged
from propstats.rules.from_torch import NoRuleError
from propstats.rules.parts import Part, Selected
from propstats.rules.rule import Rule

_ALL = slice(None)


def indexed(given: Arguments, place: Place) -> tuple[Rule, Place]:
    """Return the rule of an index or a slice, and the place of what is left.

    Units that are left count as like the rest. Positions need not be like each other, as the token that stands for a
    class is not: how they differ is taken from what was measured.

    Args:
        given: The call of `[]`, `select` or `narrow`.
        place: Where the units were.

    Raises:
        NoRuleError: If nothing was measured.
    """
    shape = given.call.shape
    if place.batch == 1 and place.shape[1:] == shape and 0 in place.axes:  # queries, keys or values of all three
        after = place.without(0)
        return Part(1.0 / place.shape[0], positions=after.count > 1), after
    after = _after(given, place)
    if math.prod(after.shape) == math.prod(place.shape):
        return Unchanged(), after
    share = math.prod(shape) / max(math.prod(place.shape), 1)
    if after.count == place.count and given.call.source != INPUT:  # units of the data differ from each other
        return Part(share, positions=after.count > 1), after
    return selected(given, share, positions=after.count > 1), after


def selected(given: Arguments, share: float, *, positions: bool) -> Selected:
    """Return the rule of some of the positions, as they were measured beside all of them.

    Args:
        given: The call.
        share: Which share of all numbers is left.
        positions: Whether more than one position is left.

    Raises:
        NoRuleError: If nothing was measured.
    """
    before, after = given.call.inputs[given.signals()[0]], given.call.output
    if not (before.is_finite and after.is_finite and before.q > 0.0):
        raise NoRuleError("no rule for some of the positions of which nothing is measured")
    var = after.var / before.var if before.var > 0.0 else 1.0
    shift = float(after.unit_means.mean() - before.unit_means.mean()) / math.sqrt(before.q)
    return Selected(share, after.q / before.q, var, shift, positions)


def _after(given: Arguments, place: Place) -> Place:
    """Return where the units are in what is left."""
    shape, index = given.call.shape, _index(given, place.dims)
    if index is None:
        after = place.like(shape)
        if len(shape) < len(place.shape):  # an index took an axis: the sizes that are left say which
            gone = [a for a in range(len(place.shape)) if place.shape[:a] + place.shape[a + 1 :] == shape]
            after = place.without(gone[0]) if gone else Place.usual(shape)
        return after
    if place.folded:
        index = [index[0], _ALL, *index[1:]]
    axes, batch, dim, new = set[int](), place.batch, 0, 0
    for entry in index:
        if entry is None:
            new += 1
            continue
        if not isinstance(entry, int):
            if dim == place.batch:
                batch = new
            elif dim - (dim > place.batch) in place.axes:
                axes.add(new)
            new += 1
        dim += 1
    return Place(shape, frozenset(axis - (axis > batch) for axis in axes), batch)


def _index(given: Arguments, dims: int) -> list[object] | None:
    """Return what is taken along each dimension; None where that is not said by numbers and slices."""
    if given.call.kind == "getitem":
        entries = given.get(1, "index")
        found: list[object] = list(entries) if isinstance(entries, tuple) else [entries]
    else:  # select and narrow
        dim = given.integers(1, "dim", 0)
        if not isinstance(dim, int):
            return None
        found = [*[_ALL] * (dim % dims), 0 if given.call.kind == "select" else _ALL]
    if not all(entry is None or entry is Ellipsis or isinstance(entry, int | slice) for entry in found):
        return None if not all(_is_list(entry) or isinstance(entry, slice) for entry in found) else _filled(found, dims)
    return _filled(found, dims)


def _is_list(entry: object) -> bool:
    return isinstance(entry, list) and all(isinstance(number, int) for number in entry)


def _filled(entries: list[object], dims: int) -> list[object]:
    """Return an index with an entry for each dimension."""
    missing = dims - sum(entry is not None and entry is not Ellipsis for entry in entries)
    if Ellipsis in entries:
        at = entries.index(Ellipsis)
        return [*entries[:at], *[_ALL] * missing, *entries[at + 1 :]]
    return [*entries, *[_ALL] * missing]
