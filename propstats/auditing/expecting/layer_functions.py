"""The rules of functions that do what layers do, with weights among their arguments."""

import math
from collections.abc import Callable, Mapping

import torch

from propstats.auditing.expecting.arguments import Arguments
from propstats.auditing.expecting.einsum import summed
from propstats.auditing.expecting.places import Place, RuleAndPlace
from propstats.rules.affine import Chain
from propstats.rules.from_torch import (
    NoRuleError,
    batch_norm,
    convolution,
    measured_weights,
    normalised,
    prelu,
    scale_of,
)
from propstats.rules.norm import GroupNorm, Scale
from propstats.rules.parts import Turned
from propstats.rules.pooling import AveragePool, Shares
from propstats.rules.product import Inner
from propstats.rules.rule import Rule

_OVER_POSITIONS = "no rule for a product of matrices that sums over positions: its weights add up to what they do"


def _linear(given: Arguments, place: Place) -> RuleAndPlace:
    weight, bias = given.tensor(1, "weight"), given.tensor(2, "bias")
    assert weight is not None
    outputs, inputs = weight.shape
    rule = measured_weights(weight, bias, fan_in=inputs, fan_out=outputs, units=outputs)
    return turned(rule, place, Place.last(place.shape)), Place.last(given.call.shape)


def turned(rule: Rule, place: Place, wanted: Place) -> Rule:
    """Return a rule that takes other axes for units than the signal has."""
    return rule if place.axes == wanted.axes or len(place.shape) < 2 else Chain((Turned(), rule))


def _matmul(given: Arguments, place: Place) -> RuleAndPlace:
    call = given.call
    first, right = given.fixed(given.get(0, "input")), given.fixed(given.get(1, "other"))
    if isinstance(first, torch.Tensor) and first.ndim == 2 and len(place.shape) > 1 and place.batch == 0:
        return _from_the_left(first, place, call.shape)
    if isinstance(right, torch.Tensor) and right.ndim == 2:
        inputs, outputs = right.shape
        rule = measured_weights(right.T, None, fan_in=inputs, fan_out=outputs, units=outputs)
        return turned(rule, place, Place.last(place.shape)), Place.last(call.shape)
    slots = given.signals()
    left, other = given.places[slots[0]], given.places[slots[-1]]
    if len(slots) == 2 and left is not None and other is not None:
        inner = len(left.shape) - 1
        if inner in left.axes and len(other.shape) - 2 in other.axes and len(call.shape) > 1:
            return Inner(left.shape[-1], call.shape[-2], call.shape[-1]), Place.last(call.shape)
    if any(one is not None and one.batch for one in given.places):
        raise NoRuleError("no rule for what is done across the batch")
    raise NoRuleError(_OVER_POSITIONS)


def _add_matmul(given: Arguments, place: Place) -> RuleAndPlace:
    """`beta c + alpha x y` of two signals, and of constants."""
    slots, call = given.signals(), given.call
    beta, alpha = (_number(given.get(index, name, 1)) for index, name in ((3, "beta"), (4, "alpha")))
    if len(slots) != 2 or alpha is None or beta is None:
        raise NoRuleError("no rule for baddbmm of other than two signals")
    left, other = given.places[slots[0]], given.places[slots[1]]
    assert left is not None
    assert other is not None
    if len(left.shape) - 1 not in left.axes or len(other.shape) - 2 not in other.axes:
        raise NoRuleError(_OVER_POSITIONS)
    added = given.constant(given.get(0, "input")) if beta else None
    mean, square = (beta * added.mean, beta**2 * added.square) if added is not None else (0.0, 0.0)
    rule = Inner(left.shape[-1], call.shape[-2], call.shape[-1], alpha, mean, square)
    return rule, Place.last(call.shape)


def _normalize(given: Arguments, place: Place) -> RuleAndPlace:
    """Vectors of length one: an RMS norm that is divided by the root of the number of units."""
    dim = given.integers(2, "dim", 1)
    if given.get(1, "p", 2.0) != 2 or not isinstance(dim, int) or place.axes != {place.axis(dim)}:
        raise NoRuleError("no rule for normalize over anything but the units")
    scale = Scale(weight_mean=1.0 / math.sqrt(place.units), weight_second_moment=1.0 / place.units)
    return GroupNorm(place.units, 1, scale, 0.0, centred=False), place


def _from_the_left(matrix: torch.Tensor, place: Place, shape: tuple[int, ...]) -> RuleAndPlace:
    """`A x`, with the same A for all samples: of positions, as neighbours in a graph are added, or of units."""
    outputs, inputs = matrix.shape
    axis, after = len(place.shape) - 2, place.like(shape)
    if place.axes == {axis}:
        return measured_weights(matrix, None, fan_in=inputs, fan_out=outputs, units=outputs), after
    if axis in place.axes or inputs != place.count:
        raise NoRuleError("no rule for a product of matrices that sums over some of the positions yet")
    return AveragePool(Shares.of_weights([matrix.detach().double().T.cpu().numpy()])), after


def _affine_map(given: Arguments, place: Place) -> RuleAndPlace:
    """`b + x W` in one, as some write linear layers."""
    bias, weight = given.tensor(0, "input"), given.tensor(2, "mat2")
    if bias is None or weight is None or given.get(3, "beta", 1) != 1 or given.get(4, "alpha", 1) != 1:
        raise NoRuleError(f"no rule for {given.call.kind} with factors")
    inputs, outputs = weight.shape
    rule = measured_weights(weight.T, bias, fan_in=inputs, fan_out=outputs, units=outputs)
    return turned(rule, place, Place.last(place.shape)), Place.last(given.call.shape)


def _convolve(given: Arguments, place: Place) -> RuleAndPlace:
    weight, bias = given.tensor(1, "weight"), given.tensor(2, "bias")
    assert weight is not None
    transposed = "transpose" in given.call.kind
    padding = given.get(4, "padding", 0)
    names = ("groups", "dilation") if transposed else ("dilation", "groups")
    at = {name: 5 + transposed + index for index, name in enumerate(names)}
    groups = given.integers(at["groups"], "groups", 1)
    rule = convolution(
        weight,
        bias,
        place.shape[1:],
        stride=given.integers(3, "stride", 1) or 1,
        padding=padding if isinstance(padding, str) else given.integers(4, "padding", 0) or 0,
        dilation=given.integers(at["dilation"], "dilation", 1) or 1,
        groups=groups if isinstance(groups, int) else 1,
        transposed=transposed,
        output_padding=(given.integers(5, "output_padding", 0) or 0) if transposed else 0,
    )
    return turned(rule, place, Place.first(place.shape)), Place.first(given.call.shape)


def _layer_norm(given: Arguments, place: Place) -> RuleAndPlace:
    sizes = given.integers(1, "normalized_shape")
    count = math.prod(sizes) if isinstance(sizes, tuple) else int(sizes or 1)
    weight = given.tensor(2, "weight")
    if given.call.kind == "rms_norm":
        eps = given.get(3, "eps")
        return normalised(weight, None, _number(eps), count, centred=False), place
    return normalised(weight, given.tensor(3, "bias"), _number(given.get(4, "eps", 1e-5)), count), place


def _group_norm(given: Arguments, place: Place) -> RuleAndPlace:
    groups = given.integers(1, "num_groups")
    assert isinstance(groups, int)
    scale = scale_of(given.tensor(2, "weight"), given.tensor(3, "bias"))
    eps = _number(given.get(4, "eps", 1e-5)) or 0.0
    return GroupNorm(place.shape[0] // groups, math.prod(place.shape[1:]), scale, eps), Place.first(place.shape)


def _batch_norm(given: Arguments, place: Place) -> RuleAndPlace:
    variance = given.tensor(2, "running_var")
    eps = _number(given.get(7, "eps", 1e-5)) or 0.0
    weight, bias = given.tensor(3, "weight"), given.tensor(4, "bias")
    return batch_norm(weight, bias, variance, eps, math.prod(place.shape[1:])), Place.first(place.shape)


def _prelu(given: Arguments, place: Place) -> RuleAndPlace:
    weight = given.tensor(1, "weight")
    assert weight is not None
    return prelu(weight), place


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None


#: Functions by name.
LAYERS: Mapping[str, Callable[[Arguments, Place], RuleAndPlace]] = {
    "linear": _linear,
    **dict.fromkeys(("matmul", "rmatmul", "bmm", "mm"), _matmul),
    "baddbmm": _add_matmul,
    "einsum": summed,
    "normalize": _normalize,
    "addmm": _affine_map,
    **dict.fromkeys([f"conv{axes}d" for axes in (1, 2, 3)], _convolve),
    **dict.fromkeys([f"conv_transpose{axes}d" for axes in (1, 2, 3)], _convolve),
    "layer_norm": _layer_norm,
    "rms_norm": _layer_norm,
    "group_norm": _group_norm,
    "batch_norm": _batch_norm,
    "prelu": _prelu,
}
