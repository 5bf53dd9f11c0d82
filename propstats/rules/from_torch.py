"""Read rules off torch modules."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import singledispatch
from typing import Any

import torch
from torch import nn

from propstats.activations import activation
from propstats.activations.conversion.torch_modules import ELEMENTWISE_MODULES, of_module
from propstats.activations.gates import gate
from propstats.estimate import STANDARD_ERRORS
from propstats.rules.affine import Unchanged
from propstats.rules.batch_norm import BatchNorm, RunningNorm
from propstats.rules.dense import Weights
from propstats.rules.elementwise import Elementwise
from propstats.rules.from_torch_parts import whole
from propstats.rules.gate import Gated
from propstats.rules.meetings import meetings
from propstats.rules.mixture import Mixture
from propstats.rules.norm import GroupNorm, Scale
from propstats.rules.rule import Rule
from propstats.theory.geometry import Axis, same_padding

Shape = Sequence[int]
Sizes = int | Sequence[int]
Convolution = nn.Conv1d | nn.Conv2d | nn.Conv3d | nn.ConvTranspose1d | nn.ConvTranspose2d | nn.ConvTranspose3d


class NoRuleError(Exception):
    """Raised for a module that has no rule; the message is the reason a report gives."""


@singledispatch
def rule_for(module: nn.Module, shape: Shape) -> Rule:
    """Return the rule of a module in evaluation mode, for one call.

    To teach propstats a layer: `@rule_for.register` a function that returns its rule.

    Args:
        module: The module.
        shape: Shape of its input and output in this call, without the batch.

    Raises:
        NoRuleError: If there is no rule, with the reason.
    """
    raise NoRuleError(f"no rule for {type(module).__name__} yet")


_Reader = Callable[[Any, Shape], Rule]


def _of(*kinds: type[nn.Module]) -> Callable[[_Reader], _Reader]:
    """Register one function for several classes of modules."""

    def register(function: _Reader) -> _Reader:
        for kind in kinds:
            rule_for.register(kind, function)
        return function

    return register


def mean_power(tensor: torch.Tensor | None, power: int, default: float = 0.0) -> float:
    """Return the mean of a power of a tensor's numbers, in double precision; the default where there is no tensor."""
    return default if tensor is None else float(whole(tensor).double().pow(power).mean())


def measured_weights(
    weight: torch.Tensor, bias: torch.Tensor | None, *, fan_in: float, fan_out: float, units: int
) -> Weights:
    """Return the rule of weights as they are; a mean that chance explains counts as none."""
    mean, second = mean_power(weight, 1), mean_power(weight, 2)
    by_chance = mean**2 <= STANDARD_ERRORS**2 * second / max(weight.numel(), 1)
    shown = 0.0 if by_chance else mean
    return Weights(shown, second, mean_power(bias, 1), mean_power(bias, 2), fan_in, fan_out, units)


@rule_for.register
def _(module: nn.Linear, shape: Shape) -> Rule:
    outputs, inputs = module.weight.shape
    return measured_weights(module.weight, module.bias, fan_in=inputs, fan_out=outputs, units=outputs)


@_of(nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
def _(module: Convolution, shape: Shape) -> Rule:
    transposed = isinstance(module, nn.ConvTranspose1d | nn.ConvTranspose2d | nn.ConvTranspose3d)
    return convolution(
        module.weight,
        module.bias,
        shape[1:],
        stride=module.stride,
        padding=module.padding,
        dilation=module.dilation,
        groups=module.groups,
        mode=module.padding_mode,
        transposed=transposed,
        output_padding=module.output_padding if transposed else 0,
    )


def convolution(
    weight: torch.Tensor,
    bias: torch.Tensor | None,
    sizes: Sequence[int],
    *,
    stride: Sizes = 1,
    padding: Sizes | str = 0,
    dilation: Sizes = 1,
    groups: int = 1,
    mode: str = "zeros",
    transposed: bool = False,
    output_padding: Sizes = 0,
) -> Weights:
    """Return the rule of a convolution with weights as they are; the arguments are those of torch's functions.

    Args:
        weight: The filters, as torch stores them.
        bias: The biases.
        sizes: Positions of the input, along each axis.
        stride: Steps between outputs.
        padding: Positions added at both ends, or `same` or `valid`.
        dilation: Steps between taps.
        groups: Groups of channels.
        mode: What the padding holds.
        transposed: Whether it is a transposed convolution.
        output_padding: Positions added behind the output of a transposed one.
    """
    taps = weight.shape[2:]
    if len(sizes) != len(taps):
        raise NoRuleError(f"no rule for a convolution over {len(taps)} axes of an input without a batch")
    numbers = [per_axis(value, len(taps)) for value in (stride, dilation, output_padding)]
    ends = [(0, 0)] * len(taps)
    if padding == "same":
        ends = [same_padding(kernel, apart) for kernel, apart in zip(taps, numbers[1], strict=True)]
    elif not isinstance(padding, str):
        ends = [(around, around) for around in per_axis(padding, len(taps))]
    rows = zip(sizes, taps, numbers[0], ends, numbers[1], numbers[2], strict=True)
    axes = [Axis(size, k, step, end, apart, mode, transposed, extra) for size, k, step, end, apart, extra in rows]
    # Each pair of an output and an input position inside the image is one term per channel.
    met = meetings(axes)
    first, second = weight.shape[:2]
    inputs, outputs = (first // groups, second) if transposed else (second, first // groups)
    found = measured_weights(
        weight,
        bias,
        fan_in=inputs * met.pairs / met.outputs,
        fan_out=outputs * met.pairs / met.inputs,
        units=outputs * groups,
    )
    return replace(found, taps=met.taps, shared_out=met.shared_by_outputs, shared_in=met.shared_by_inputs)


def per_axis(value: Sizes, axes: int) -> tuple[int, ...]:
    """Return one number for each axis."""
    return (value,) * axes if isinstance(value, int) else tuple(value) * (axes if len(value) == 1 else 1)


@_of(nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
def _(module: nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d, shape: Shape) -> Rule:
    return batch_norm(module.weight, module.bias, module.running_var, module.eps, math.prod(shape[1:]))


def batch_norm(
    weight: torch.Tensor | None, bias: torch.Tensor | None, variance: torch.Tensor | None, eps: float, positions: int
) -> Rule:
    """Return the rule of batch norm: by its running variance, or by the batch where it has none.

    A batch counts as large.
    """
    if variance is None:
        return BatchNorm(scale_of(weight, bias), eps, positions)
    total = variance.double() + eps
    scale = torch.ones_like(total) if weight is None else whole(weight).double()
    return RunningNorm(
        weight_second_moment=mean_power(scale * (variance.double() / total).sqrt(), 2),
        bias_mean=mean_power(bias, 1),
        bias_second_moment=mean_power(bias, 2),
        slope_second_moment=mean_power(scale / total.sqrt(), 2),
        positions=positions,
    )


@rule_for.register
def _(module: nn.LayerNorm, shape: Shape) -> Rule:
    return normalised(module.weight, module.bias, module.eps, math.prod(module.normalized_shape))


@rule_for.register
def _(module: nn.RMSNorm, shape: Shape) -> Rule:
    return normalised(module.weight, None, module.eps, math.prod(module.normalized_shape), centred=False)


def normalised(
    weight: torch.Tensor | None, bias: torch.Tensor | None, eps: float | None, units: int, *, centred: bool = True
) -> Rule:
    """Return the rule of a norm over the last axes, all of which count as units."""
    small = eps if eps is not None else float(torch.finfo(torch.float32).eps)
    return GroupNorm(units, 1, scale_of(weight, bias), small, centred)


def scale_of(weight: torch.Tensor | None, bias: torch.Tensor | None) -> Scale:
    """Return the scales and biases that follow a normalisation."""
    return Scale(mean_power(weight, 1, 1.0), mean_power(weight, 2, 1.0), mean_power(bias, 1), mean_power(bias, 2))


@_of(*(getattr(nn, name) for name in ELEMENTWISE_MODULES))
def _elementwise(module: nn.Module, shape: Shape) -> Rule:
    if isinstance(module, nn.PReLU) and module.weight.numel() != 1:
        return prelu(module.weight)
    found = of_module(module)
    if found is None:
        raise NoRuleError(
            f"no rule for {type(module).__name__}, which may compute something else than what it derives from"
        )
    return Elementwise(found)


def prelu(slopes: torch.Tensor) -> Rule:
    """Return the rule of a PReLU with a slope per channel.

    Its moments are of degree 2 in the slope, so that two slopes with the same mean and variance stand for all of them:
    exact but for what finite width adds.
    """
    mean, std = mean_power(slopes, 1), float(whole(slopes).double().std(correction=0))
    halves = [Elementwise(activation("prelu", a=slope)) for slope in (mean - std, mean + std)]
    return halves[0] if std == 0.0 else Mixture(halves)


@rule_for.register
def _(module: nn.GLU, shape: Shape) -> Rule:
    axis = module.dim - 1 if module.dim > 0 else module.dim % len(shape)
    if axis not in (0, len(shape) - 1):
        raise NoRuleError("no rule for a gate of positions by positions: they are correlated")
    return Gated(gate("glu"))


@_of(nn.RNN, nn.LSTM, nn.GRU, nn.RNNCell, nn.LSTMCell, nn.GRUCell)
def _(module: nn.Module, shape: Shape) -> Rule:
    raise NoRuleError(f"no rule for {type(module).__name__}: recurrent, its state correlates with the weights it meets")


@_of(nn.Identity, nn.Flatten, nn.Unflatten, nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout)
def _(module: nn.Module, shape: Shape) -> Rule:
    return Unchanged()
