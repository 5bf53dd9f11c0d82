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
    dims = len(place.shape) + 1
    first, second = (given.integers(index, name) for index, name in ((1, "dim0"), (2, "dim1")))
    if not isinstance(first, int) or not isinstance(second, int):
        first, second = -2, -1  # .T and .mT
    order = list(range(dims))
    order[first], order[second] = order[second], order[first]
    return Unchanged(), place.permuted(order)


def _permute(given: Arguments, place: Place) -> Seen:
    dims = given.call.args[1:] if len(given.call.args) > 2 else given.get(1, "dims")
    order = [dim for dim in dims if isinstance(dim, int)] if isinstance(dims, list | tuple) else []
    if len(order) != len(place.shape) + 1:
        raise NoRuleError("no rule for permuting dimensions that are not known")
    return Unchanged(), place.permuted([dim % len(order) for dim in order])


def _part(given: Arguments, place: Place) -> Seen:
    """Indices and slices of units: what is left counts as like the rest."""
    shape = given.call.shape
    if place.batch == 1 and place.shape[1:] == shape and 0 in place.axes:  # queries, keys or values of all three
        after = place.without(0)
        return Part(1.0 / place.shape[0], positions=after.count > 1), after
    after = place.like(shape)
    if len(shape) < len(place.shape):  # an index took an axis: the sizes that are left say which
        gone = [a for a in range(len(place.shape)) if place.shape[:a] + place.shape[a + 1 :] == shape]
        after = place.without(gone[0]) if gone else Place.usual(shape)
    if after.units != place.units and after.count == place.count:
        return Part(math.prod(shape) / max(math.prod(place.shape), 1), positions=after.count > 1), after
    if after.shape == place.shape:
        return Unchanged(), after
    raise NoRuleError("no rule for some of the positions: they need not be like the others")


def _apart(given: Arguments, place: Place) -> Seen:
    """Slices along one axis, all of them."""
    axis = place.axis(_dim(given))
    if axis not in place.axes:
        raise NoRuleError("no rule for some of the positions: they need not be like the others")
    return Unchanged(), place.without(axis)


def _dim(given: Arguments) -> int:
    dim = given.integers(1, "dim", 0)
    return dim if isinstance(dim, int) else 0


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
    **dict.fromkeys(("getitem", "select", "narrow"), _part),
    "unbind": _apart,
    **dict.fromkeys(("expand", "expand_as", "repeat_interleave"), _expand),
    "interpolate": _interpolate,
}  # fmt: skip
