"""The rules of tensor functions that networks call outside of layers."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch

from propstats.activations import Activation
from propstats.activations.conversion.torch_operations import apply
from propstats.activations.expression import Number, Symbol
from propstats.activations.syntax import str_of
from propstats.auditing.expecting.arguments import Arguments
from propstats.auditing.expecting.attending import attention_of
from propstats.auditing.expecting.layer_functions import LAYERS
from propstats.auditing.expecting.places import Place, RuleAndPlace
from propstats.auditing.expecting.pooling import POOLING
from propstats.auditing.expecting.views import VIEWS
from propstats.auditing.measuring.call import Slot
from propstats.errors import ExpressionError
from propstats.rules.affine import Affine, Chain, Unchanged
from propstats.rules.broadcast import Broadcast
from propstats.rules.elementwise import Elementwise
from propstats.rules.from_torch import NoRuleError
from propstats.rules.join import Add, Concatenate, Difference
from propstats.rules.parts import Beside, Part, PerUnit, Repeat
from propstats.rules.product import Product
from propstats.rules.rule import Join


def function_rule(given: Arguments) -> RuleAndPlace:
    """Return the rule of a function and the place of what it gives.

    Args:
        given: What it was called with.

    Raises:
        NoRuleError: If there is none, with the reason.
    """
    kind, slots = given.call.kind, given.signals()
    if not slots:
        raise NoRuleError(f"no rule for {kind} of something that is no part of the signal")
    place = given.places[slots[0]]
    assert place is not None
    if kind in VIEWS:
        return VIEWS[kind](given, place)
    if kind in POOLING:
        return POOLING[kind](given, place)
    if kind in _FUNCTIONS:
        return _FUNCTIONS[kind](given, place)
    return _elementwise(given, place)


def _elementwise(given: Arguments, place: Place) -> RuleAndPlace:
    """Return what the formula of a function does, if it is one of single numbers."""
    call = given.call
    if len(given.signals()) > 1 or call.shape != place.shape:
        raise NoRuleError(f"no rule for {call.kind} yet")

    def tree(value: object) -> Any:
        if isinstance(value, Slot):
            if given.places[value.position] is None:
                raise NoRuleError(f"no rule for {call.kind} with a tensor that is not the signal")
            return Symbol("x")
        if isinstance(value, torch.Tensor):
            if value.numel() != 1:
                raise NoRuleError(f"no rule for {call.kind} with a parameter per unit yet")
            return Number.of(float(value.detach()))
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        return Number.of(value) if is_number and isinstance(value, int | float) else value

    try:
        formula = apply(call.kind, [tree(v) for v in call.args], {k: tree(v) for k, v in call.kwargs.items()})
        act = Activation(call.kind, str_of(formula))  # type: ignore[arg-type]
    except (ExpressionError, TypeError, AttributeError):
        raise NoRuleError(f"no rule for {call.kind} yet") from None
    with np.errstate(all="ignore"):
        if not np.isfinite(act(np.array([-2.0, -0.5, 0.5, 2.0]))).all():
            raise NoRuleError(f"{call.kind} is not defined for all numbers, and a Gaussian signal takes all")
    return Elementwise(act), place


def _sum(given: Arguments, place: Place) -> RuleAndPlace:
    """Sums and differences, of two signals or with a constant."""
    call = given.call
    sign = -1.0 if call.kind in ("sub", "isub", "rsub", "subtract") else 1.0
    left, right = given.get(0, "input"), given.get(1, "other")
    alpha = given.get(2, "alpha", 1)
    if alpha != 1:
        raise NoRuleError(f"no rule for {call.kind} with alpha")
    if call.kind == "rsub":
        left, right = right, left
    one, other = given.constant(left), given.constant(right)
    if one is None and other is None:
        return _together(Difference() if sign < 0.0 else Add(), given)
    scale, shift = (1.0, other) if one is None else (sign, one)
    assert shift is not None
    mean = shift.mean * (sign if one is None else 1.0)
    if isinstance(left if other is None else right, int | float):
        return Affine(scale, mean), place
    return _spread(PerUnit(scale, 1.0, mean, shift.square, shift.same), given, place)


def _product(given: Arguments, place: Place) -> RuleAndPlace:
    left, right = given.get(0, "input"), given.get(1, "other")
    one, other = given.constant(left), given.constant(right)
    factor = other if one is None else one
    if factor is None:
        return _together(Product(), given)
    if isinstance(left if other is None else right, int | float):
        return Affine(factor.mean), place
    return _spread(PerUnit(factor.mean, factor.square, scale_same=factor.same), given, place)


def _spread(rule: PerUnit, given: Arguments, place: Place) -> RuleAndPlace:
    """Return a rule for a signal that is repeated to meet all numbers of a constant."""
    shape = given.call.shape
    times = math.prod(shape) // max(math.prod(place.shape), 1)
    if times <= 1:
        return rule, place
    if len(shape) != len(place.shape):
        raise NoRuleError(f"no rule for {given.call.kind} with a tensor of more axes than the signal")
    grown = {axis for axis, (old, new) in enumerate(zip(place.shape, shape, strict=True)) if new > old}
    if grown & place.axes and not grown <= place.axes:
        raise NoRuleError(f"no rule for {given.call.kind} with a tensor that has more units and more positions")
    return Chain((Repeat(times, units=bool(grown & place.axes)), rule)), place.like(shape)


def _quotient(given: Arguments, place: Place) -> RuleAndPlace:
    divisor = given.get(1, "other")
    if not isinstance(divisor, int | float) or divisor == 0:
        raise NoRuleError("no rule for dividing by what is no number")
    return Affine(1.0 / float(divisor)), place


def _negative(given: Arguments, place: Place) -> RuleAndPlace:
    return Affine(-1.0), place


def _together(rule: Join, given: Arguments) -> RuleAndPlace:
    """Return what two signals give, and its place: that of the one which has the shape of the result."""
    places = [place for place in given.places if place is not None]
    shape = given.call.shape
    after = next((place for place in places if place.shape == shape), places[0].like(shape))
    if all(place.shape == shape for place in places):
        return rule, after
    ranked = [place.like((1,) * (len(shape) - len(place.shape)) + place.shape) for place in places]
    units = [math.prod(place.shape[axis] for axis in after.axes) for place in ranked]
    counts = [math.prod(place.shape) // max(own, 1) for place, own in zip(ranked, units, strict=True)]
    return Broadcast(
        rule, tuple(after.count // count for count in counts), tuple(after.units // own for own in units)
    ), after


def _concatenate(given: Arguments, place: Place) -> RuleAndPlace:
    dim, slots = given.get(1, "dim", 0), given.signals()
    if not isinstance(dim, int):
        raise NoRuleError("no rule for putting tensors beside each other along several axes")
    axis = place.axis(dim)
    if len(slots) < len(given.places):  # as the token that stands for a class
        if len(slots) > 1:
            raise NoRuleError("no rule for putting constants and several signals beside each other")
        constants = [
            (_size(given, part, axis, len(place.shape)), constant)
            for part in _parts(given)
            if (constant := given.constant(part)) is not None
        ]
        total = sum(size for size, _ in constants)
        mean = sum(size * constant.mean for size, constant in constants) / total
        square = sum(size * constant.square for size, constant in constants) / total
        return Beside(place.shape[axis] / given.call.shape[axis], mean, square), place.like(given.call.shape)
    # Units side by side, or positions: all statistics are means over both.
    sizes = tuple(other.shape[axis] for other in given.places if other is not None)
    return Concatenate(sizes), place.like(given.call.shape)


def _size(given: Arguments, part: object, axis: int, dims: int) -> int:
    """Return the size of a constant along an axis of the samples."""
    tensor = given.fixed(part)
    shape = tuple(tensor.shape) if isinstance(tensor, torch.Tensor) else ()
    if isinstance(tensor, Slot):
        shape = given.call.input_shapes[tensor.position]
    if not shape:
        raise NoRuleError("no rule for putting constants of unknown size beside a signal")
    return shape[axis - dims]


def _stack(given: Arguments, place: Place) -> RuleAndPlace:
    """Signals beside each other along an axis of their own."""
    slots, dim = given.signals(), given.get(1, "dim", 0)
    if len(slots) < len(given.places) or not isinstance(dim, int):
        raise NoRuleError("no rule for stacking constants beside signals")
    rank = place.dims + 1
    if dim % rank <= place.batch:
        raise NoRuleError("no rule for what is done across the batch")
    new = dim % rank - 1 + place.folded
    axes = frozenset(axis + (axis >= new) for axis in place.axes)
    return Concatenate((1,) * len(slots)), Place(given.call.shape, axes, place.batch, place.folded)


def _parts(given: Arguments) -> list[object]:
    parts = given.get(0, "tensors")
    return list(parts) if isinstance(parts, list | tuple) else []


def _pad(given: Arguments, place: Place) -> RuleAndPlace:
    mode, value = given.get(2, "mode", "constant"), given.get(3, "value")
    if mode != "constant" or value not in (None, 0, 0.0):
        return Unchanged(), place.like(given.call.shape)  # what is repeated is like the rest
    share = math.prod(place.shape) / math.prod(given.call.shape)
    if share > 1.0:
        return Part(share), place.like(given.call.shape)
    return Beside(share, 0.0, 0.0), place.like(given.call.shape)


_FUNCTIONS: Mapping[str, Callable[[Arguments, Place], RuleAndPlace]] = {
    **dict.fromkeys(("add", "radd", "iadd", "sub", "isub", "rsub", "subtract"), _sum),
    **dict.fromkeys(("mul", "rmul", "imul", "multiply"), _product),
    **dict.fromkeys(("div", "truediv", "itruediv", "divide", "true_divide"), _quotient),
    **dict.fromkeys(("neg", "negative"), _negative),
    **dict.fromkeys(("cat", "concat", "concatenate"), _concatenate),
    "stack": _stack,
    "pad": _pad,
    "scaled_dot_product_attention": attention_of,
    **LAYERS,
}
