"""Functions that only rearrange numbers: where the units are afterwards, and what comes back."""

import math
from collections.abc import Callable, Mapping

from torch import nn

from propstats.auditing.expecting.arguments import Arguments
from propstats.auditing.expecting.indexing import indexed, selected
from propstats.auditing.expecting.places import Place, RuleAndPlace, reshaped
from propstats.rules.affine import Flatten, Unchanged
from propstats.rules.from_torch import NoRuleError
from propstats.rules.parts import Repeat
from propstats.rules.resampling import Resampling, resample


def _same(given: Arguments, place: Place) -> RuleAndPlace:
    return Unchanged(), place.like(given.call.shape)


def _reshape(given: Arguments, place: Place) -> RuleAndPlace:
    return reshape(place, given.call.shape)


def reshape(place: Place, shape: tuple[int, ...]) -> RuleAndPlace:
    """Return the rule and the place of what is reshaped."""
    after, mixed = reshaped(place, shape)
    return (Flatten(place.count) if mixed else Unchanged()), after


def _transpose(given: Arguments, place: Place) -> RuleAndPlace:
    dims = place.dims
    first, second = (given.integers(index, name) for index, name in ((1, "dim0"), (2, "dim1")))
    if not isinstance(first, int) or not isinstance(second, int):
        first, second = -2, -1  # .T and .mT
    order = list(range(dims))
    order[first], order[second] = order[second], order[first]
    return Unchanged(), place.permuted(order)


def _permute(given: Arguments, place: Place) -> RuleAndPlace:
    dims = given.call.args[1:] if len(given.call.args) > 2 else given.get(1, "dims")
    order = [dim for dim in dims if isinstance(dim, int)] if isinstance(dims, list | tuple) else []
    if len(order) != place.dims:
        raise NoRuleError("no rule for permuting dimensions that are not known")
    return Unchanged(), place.permuted([dim % len(order) for dim in order])


def _apart(given: Arguments, place: Place) -> RuleAndPlace:
    """Slices along one axis, all of them."""
    axis = place.axis(_dim(given))
    if axis not in place.axes:  # the first of them goes on as all do
        return selected(given, 1.0 / place.shape[axis], positions=place.count > place.shape[axis]), place.without(axis)
    return Unchanged(), place.without(axis)


def _dim(given: Arguments) -> int:
    dim = given.integers(1, "dim", 0)
    return dim if isinstance(dim, int) else 0


def _expand(given: Arguments, place: Place) -> RuleAndPlace:
    shape = given.call.shape
    times = math.prod(shape) / max(math.prod(place.shape), 1)
    if times != round(times) or times < 1:
        raise NoRuleError("no rule for expanding the batch")
    grown = [axis for axis, (old, new) in enumerate(zip(place.shape, shape, strict=False)) if new > old]
    if len(place.axes) > 1 and len(shape) == len(place.shape) and place.axes.isdisjoint(grown):
        # Units are split among heads: several heads of queries share keys and values.
        return Repeat(round(times), units=True), Place(shape, place.axes | set(grown), place.batch)
    return (Repeat(round(times)) if times > 1 else Unchanged()), place.like(shape)


def _interpolate(given: Arguments, place: Place) -> RuleAndPlace:
    size, times, corners = (given.get(*at) for at in ((1, "size"), (2, "scale_factor"), (4, "align_corners")))
    exact = given.flag(5, "recompute_scale_factor")
    how = Resampling(
        mode=str(given.get(3, "mode", "nearest")),
        size=given.call.shape[1:] if size is not None or exact else None,
        scale=None if size is not None or exact else _each(times, len(place.shape) - 1),
        align_corners=None if corners is None else bool(corners),
        antialias=given.flag(6, "antialias"),
    )
    return enlarged(place, given.call.shape, how)


def enlarged(place: Place, shape: tuple[int, ...], how: Resampling) -> RuleAndPlace:
    """Return the rule and the place of what is resampled along all axes but the first."""
    if place.axes != {0}:
        raise NoRuleError("no rule for resampling along the axis of units")
    return resample(place.shape[1:], how)[0], place.like(shape)


def _each(value: object, axes: int) -> tuple[float, ...]:
    """Return a factor for each axis."""
    if isinstance(value, int | float):
        return (float(value),) * axes
    if isinstance(value, list | tuple) and len(value) == axes:
        return tuple(float(factor) for factor in value)
    raise NoRuleError(f"no rule for resampling by {value!r}")


def upsampled(module: nn.Upsample, place: Place, shape: tuple[int, ...]) -> RuleAndPlace:
    """Return the rule and the place of a layer that resamples."""
    is_sized = module.size is not None or bool(module.recompute_scale_factor)
    how = Resampling(
        mode=module.mode,
        size=shape[1:] if is_sized else None,
        scale=None if is_sized else _each(module.scale_factor, len(shape) - 1),
        align_corners=module.align_corners,
    )
    return enlarged(place, shape, how)


VIEWS: Mapping[str, Callable[[Arguments, Place], RuleAndPlace]] = {
    **dict.fromkeys(
        ("contiguous", "clone", "to", "float", "double", "type_as", "detach_", "alias", "dropout", "alpha_dropout",
         "feature_dropout", "dropout1d", "dropout2d", "dropout3d", "chunk", "split", "tensor_split", "identity", "roll",
         "flip"), _same,
    ),
    **dict.fromkeys(
        ("view", "reshape", "flatten", "unflatten", "squeeze", "unsqueeze", "view_as", "reshape_as"), _reshape
    ),
    **dict.fromkeys(("transpose", "swapaxes", "swapdims", "mT", "T", "t"), _transpose),
    "permute": _permute,
    **dict.fromkeys(("getitem", "select", "narrow"), indexed),
    "unbind": _apart,
    **dict.fromkeys(("expand", "expand_as", "repeat_interleave"), _expand),
    "interpolate": _interpolate,
}  # fmt: skip
