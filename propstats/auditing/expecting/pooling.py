"""The rules of pooling functions, and of means over positions."""

import math
from collections.abc import Callable, Mapping
from functools import partial

from propstats.auditing.expecting.arguments import Arguments
from propstats.auditing.expecting.places import Place, RuleAndPlace
from propstats.rules.from_torch import NoRuleError, per_axis
from propstats.rules.max_pooling import MaxPool
from propstats.rules.pooling import average_pool
from propstats.theory.pooling.layer import pool_layer


def _slide(kind: str, given: Arguments, place: Place) -> RuleAndPlace:
    sizes, axes = place.shape[1:], len(place.shape) - 1
    kernel = given.integers(1, "kernel_size")
    stride = given.integers(2, "stride")
    padding, dilation = given.integers(3, "padding", 0), 1
    if kernel is None or padding is None:
        raise NoRuleError(f"no rule for {given.call.kind} without a kernel")
    if kind == "max":
        apart = given.integers(4, "dilation", 1)
        dilation = apart if isinstance(apart, int) else 1
        ceil_mode, include = given.flag(5, "ceil_mode"), True
    else:
        ceil_mode, include = given.flag(4, "ceil_mode"), given.flag(5, "count_include_pad", True)
        if given.get(6, "divisor_override") is not None:
            raise NoRuleError("no rule for divisor_override in a function")
    taps = per_axis(kernel, axes)
    layer = pool_layer(
        kind,
        taps,
        stride=taps if stride is None or stride == () else per_axis(stride, axes),
        padding=per_axis(padding, axes),
        dilation=dilation,
        ceil_mode=ceil_mode,
        count_include_pad=include,
        size=sizes,
    )
    return (MaxPool(layer) if kind == "max" else average_pool(layer)), Place.first(given.call.shape)


def _adapt(kind: str, given: Arguments, place: Place) -> RuleAndPlace:
    layer = pool_layer(f"adaptive_{kind}", size=place.shape[1:], output_size=given.call.shape[1:])
    return (MaxPool(layer) if kind == "max" else average_pool(layer)), Place.first(given.call.shape)


def _reduce(kind: str, given: Arguments, place: Place) -> RuleAndPlace:
    """Means, sums and maxima over positions."""
    dims = given.integers(1, "dim")
    if dims is None:
        raise NoRuleError(f"no rule for {given.call.kind} over everything")
    over = {place.axis(dim) for dim in ((dims,) if isinstance(dims, int) else dims)}
    sizes = tuple(place.shape[axis] for axis in sorted(over))
    if over & place.axes:
        raise NoRuleError(f"no rule for {given.call.kind} over units")
    if math.prod(sizes) < place.count:
        raise NoRuleError(f"no rule for {given.call.kind} over some of the positions yet")
    after = place
    for axis in sorted(over, reverse=True):
        after = after.without(axis)
    if len(given.call.shape) == len(place.shape):
        after = place.like(given.call.shape)
    layer = pool_layer("global_max" if kind == "max" else "global_average", size=(math.prod(sizes),))
    if kind == "max":
        return MaxPool(layer), after
    return average_pool(layer, float(math.prod(sizes)) if kind == "sum" else 1.0), after


POOLING: Mapping[str, Callable[[Arguments, Place], RuleAndPlace]] = {
    **{f"max_pool{axes}d": partial(_slide, "max") for axes in (1, 2, 3)},
    **{f"avg_pool{axes}d": partial(_slide, "average") for axes in (1, 2, 3)},
    **{f"adaptive_max_pool{axes}d": partial(_adapt, "max") for axes in (1, 2, 3)},
    **{f"adaptive_avg_pool{axes}d": partial(_adapt, "average") for axes in (1, 2, 3)},
    "mean": partial(_reduce, "mean"),
    "sum": partial(_reduce, "sum"),
    "amax": partial(_reduce, "max"),
}
