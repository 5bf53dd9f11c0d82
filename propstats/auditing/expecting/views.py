"""Functions that only rearrange numbers: where the units are afterwards, and what comes back."""

import math
from collections.abc import Callable, Mapping

from propstats.auditing.expecting.arguments import Arguments
from propstats.auditing.expecting.places import Place, reshaped
from propstats.rules.affine import Flatten, Unchanged
from propstats.rules.from_torch import NoRuleError
from propstats.rules.parts import Part, Repeat
from propstats.rules.rule import Rule

Seen = tuple[Rule, Place]


def _same(given: Arguments, place: Place) -> Seen:
    return Unchanged(), place.like(given.call.shape)


def _reshape(given: Arguments, place: Place) -> Seen:
    return reshape(place, given.call.shape)


def reshape(place: Place, shape: tuple[int, ...]) -> Seen:
    """Return the rule and the place of what is reshaped."""
    after, mixed = reshaped(place, shape)
    return (Flatten(place.count) if mixed else Unchanged()), after


def _transpose(given: Arguments, place: Place) -> Seen:
    first, second = (given.integers(index, name) for index, name in ((1, "dim0"), (2, "dim1")))
    if not isinstance(first, int) or not isinstance(second, int):
        first, second = -2, -1  # .T and .mT
    a, b = place.axis(first), place.axis(second)
    order = list(range(len(place.shape)))
    order[a], order[b] = b, a
    return Unchanged(), place.permuted(order, given.call.shape)


def _permute(given: Arguments, place: Place) -> Seen:
    dims = given.call.args[1:] if len(given.call.args) > 2 else given.get(1, "dims")
    order = [dim for dim in dims if isinstance(dim, int)] if isinstance(dims, list | tuple) else []
    if len(order) != len(place.shape) + 1 or order[0] != 0:
        raise NoRuleError("no rule for moving the batch to another axis")
    return Unchanged(), place.permuted([place.axis(dim) for dim in order[1:]], given.call.shape)


def _part(given: Arguments, place: Place) -> Seen:
    """Indices and slices: what is left counts as like the rest."""
    shape = given.call.shape
    after = place.like(shape)
    if len(shape) < len(place.shape):  # an index took an axis: the sizes that are left say which
        gone = next((a for a in range(len(place.shape)) if place.shape[:a] + place.shape[a + 1 :] == shape), None)
        kept = [a for a in range(len(place.shape)) if a != gone]
        after = place.permuted(kept, shape) if gone is not None else Place.last(shape)
        after = after if after.axes else Place.last(shape)
    share = math.prod(shape) / max(math.prod(place.shape), 1)
    if share > 1.0:
        raise NoRuleError("no rule for indices that repeat")
    return Part(share, positions=after.count > 1), after


def _expand(given: Arguments, place: Place) -> Seen:
    shape = given.call.shape
    times = math.prod(shape) / max(math.prod(place.shape), 1)
    if times != round(times) or times < 1:
        raise NoRuleError("no rule for expanding the batch")
    return (Repeat(round(times)) if times > 1 else Unchanged()), place.like(shape)


def _interpolate(given: Arguments, place: Place) -> Seen:
    mode = str(given.get(3, "mode", "nearest"))
    if not mode.startswith("nearest"):
        raise NoRuleError(f"no rule for interpolation that is {mode}: neighbours are mixed")
    return _expand(given, place)


VIEWS: Mapping[str, Callable[[Arguments, Place], Seen]] = {
    **dict.fromkeys(
        ("contiguous", "clone", "to", "float", "double", "type_as", "detach_", "alias", "dropout", "alpha_dropout",
         "feature_dropout", "dropout1d", "dropout2d", "dropout3d", "chunk", "split", "tensor_split", "identity", "roll",
         "flip"), _same,
    ),
    **dict.fromkeys(
        ("view", "reshape", "flatten", "unflatten", "squeeze", "unsqueeze", "view_as", "reshape_as"), _reshape
    ),
    **dict.fromkeys(("transpose", "swapaxes", "swapdims", "mT", "T"), _transpose),
    "permute": _permute,
    **dict.fromkeys(("getitem", "select", "narrow", "unbind"), _part),
    **dict.fromkeys(("expand", "expand_as", "repeat_interleave"), _expand),
    "interpolate": _interpolate,
}  # fmt: skip
