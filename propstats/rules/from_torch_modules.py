"""Rules of torch modules that need to know where they stand: over which axes positions run, and whether in training.

What every layer knows by itself is in `propstats.rules.from_torch`, where audits look too.
"""

import math
from functools import singledispatch

import torch
from torch import nn

from propstats.rules.affine import Flatten, Unchanged
from propstats.rules.attention import Attention
from propstats.rules.batch_norm import BatchNorm
from propstats.rules.dense import Weights
from propstats.rules.dropout import Dropout
from propstats.rules.embedding import Embedding
from propstats.rules.from_torch import NoRuleError, mean_power, measured_weights, rule_for
from propstats.rules.geometry import Window
from propstats.rules.norm import GroupNorm, Scale
from propstats.rules.pooling import AveragePool
from propstats.rules.rule import Rule

Shape = tuple[int, ...]


@singledispatch
def standing_rule(module: nn.Module, shape: Shape, training: bool) -> Rule:
    """Return the rule of a module for an input of a shape.

    Args:
        module: The module.
        shape: Shape of its input, without the batch.
        training: Whether dropout drops.

    Raises:
        NoRuleError: If there is no rule, with the reason.
    """
    return rule_for(module, shape)


def _scale(module: nn.Module) -> Scale:
    weight, bias = getattr(module, "weight", None), getattr(module, "bias", None)
    return Scale(mean_power(weight, 1, 1.0), mean_power(weight, 2, 1.0), mean_power(bias, 1), mean_power(bias, 2))


@standing_rule.register(nn.BatchNorm1d)
@standing_rule.register(nn.BatchNorm2d)
@standing_rule.register(nn.BatchNorm3d)
def _(module: nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d, shape: Shape, training: bool) -> Rule:
    # By what its input is, not by running statistics: before training they describe nothing.
    return BatchNorm(_scale(module), module.eps, math.prod(shape[1:]))


@standing_rule.register
def _(module: nn.GroupNorm, shape: Shape, training: bool) -> Rule:
    return GroupNorm(shape[0] // module.num_groups, math.prod(shape[1:]), _scale(module), module.eps)


@standing_rule.register(nn.InstanceNorm1d)
@standing_rule.register(nn.InstanceNorm2d)
@standing_rule.register(nn.InstanceNorm3d)
def _(module: nn.InstanceNorm1d | nn.InstanceNorm2d | nn.InstanceNorm3d, shape: Shape, training: bool) -> Rule:
    return GroupNorm(1, math.prod(shape[1:]), _scale(module), module.eps)


@standing_rule.register(nn.Dropout)
@standing_rule.register(nn.Dropout1d)
@standing_rule.register(nn.Dropout2d)
@standing_rule.register(nn.Dropout3d)
def _(module: nn.Dropout | nn.Dropout1d | nn.Dropout2d | nn.Dropout3d, shape: Shape, training: bool) -> Rule:
    return Dropout(module.p, whole_units=not isinstance(module, nn.Dropout)) if training else Unchanged()


@standing_rule.register
def _(module: nn.Flatten, shape: Shape, training: bool) -> Rule:
    if module.start_dim != 1 or module.end_dim != -1:
        return Unchanged()  # positions flattened among themselves
    return Flatten(math.prod(shape[1:]))


@standing_rule.register
def _(module: nn.Embedding, shape: Shape, training: bool) -> Rule:
    weight = module.weight
    return Embedding(mean_power(weight, 1), mean_power(weight, 2), module.num_embeddings, module.embedding_dim)


@standing_rule.register(nn.AvgPool1d)
@standing_rule.register(nn.AvgPool2d)
@standing_rule.register(nn.AvgPool3d)
def _(module: nn.AvgPool1d | nn.AvgPool2d | nn.AvgPool3d, shape: Shape, training: bool) -> Rule:
    axes = len(shape) - 1
    kernel, stride, padding = (_per_axis(v, axes) for v in (module.kernel_size, module.stride, module.padding))
    if module.ceil_mode or (any(padding) and not module.count_include_pad) or getattr(module, "divisor_override", None):
        raise NoRuleError("no rule for average pooling with ceil_mode, uncounted padding or divisor_override yet")
    return AveragePool(Window(kernel, stride, padding, (1,) * axes).meetings(shape[1:]), math.prod(kernel))


@standing_rule.register(nn.AdaptiveAvgPool1d)
@standing_rule.register(nn.AdaptiveAvgPool2d)
@standing_rule.register(nn.AdaptiveAvgPool3d)
def _(module: nn.AdaptiveAvgPool1d | nn.AdaptiveAvgPool2d | nn.AdaptiveAvgPool3d, shape: Shape, training: bool) -> Rule:
    sizes = shape[1:]
    wanted = module.output_size if isinstance(module.output_size, tuple) else (module.output_size,) * len(sizes)
    outputs = tuple(size if target is None else target for size, target in zip(sizes, wanted, strict=True))
    if any(size % target for size, target in zip(sizes, outputs, strict=True)):
        raise NoRuleError(f"no rule for adaptive pooling of {sizes} to {outputs}, windows of different sizes, yet")
    kernel = tuple(size // target for size, target in zip(sizes, outputs, strict=True))
    window = Window(kernel, kernel, (0,) * len(sizes), (1,) * len(sizes))
    return AveragePool(window.meetings(sizes), math.prod(kernel))


@standing_rule.register
def _(module: nn.MultiheadAttention, shape: Shape, training: bool) -> Rule:
    if not module.batch_first:
        raise NoRuleError("no rule for attention whose first axis is not the batch yet")
    if module.in_proj_weight is None or module.bias_k is not None or module.add_zero_attn:
        raise NoRuleError("no rule for attention with keys and values of another size, or added ones, yet")
    biases = [None] * 3 if module.in_proj_bias is None else module.in_proj_bias.chunk(3)
    query, key, value = (_square(w, b) for w, b in zip(module.in_proj_weight.chunk(3), biases, strict=True))
    out = _square(module.out_proj.weight, module.out_proj.bias)
    return Attention(query, key, value, out, shape[0], module.num_heads, module.dropout if training else 0.0)


def _square(weight: torch.Tensor, bias: torch.Tensor | None) -> Weights:
    rows, columns = weight.shape
    return measured_weights(weight, bias, fan_in=columns, fan_out=rows, units=rows)


def _per_axis(value: int | tuple[int, ...], axes: int) -> tuple[int, ...]:
    return (value,) * axes if isinstance(value, int) else tuple(value)
