"""Rules of torch modules that need to know where they stand: over which axes positions run, and whether in training.

What every layer knows by itself is in `propstats.rules.from_torch`, where audits look too.
"""

import math
from functools import singledispatch
from typing import Any

import torch
from torch import nn

from propstats.rules.affine import Flatten, Unchanged
from propstats.rules.attention import Attention
from propstats.rules.batch_norm import BatchNorm
from propstats.rules.dense import Weights
from propstats.rules.dropout import Dropout
from propstats.rules.embedding import Embedding
from propstats.rules.from_torch import NoRuleError, mean_power, measured_weights, per_axis, rule_for, scale_of
from propstats.rules.mask import Pattern
from propstats.rules.max_pooling import MaxPool
from propstats.rules.norm import GroupNorm, Scale
from propstats.rules.pooling import PowerPool, average_pool
from propstats.rules.rule import Rule
from propstats.theory.pooling.layer import pool_layer

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
    return scale_of(getattr(module, "weight", None), getattr(module, "bias", None))


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
    layer = pool_layer(
        "average",
        **_sliding(module, shape),
        ceil_mode=module.ceil_mode,
        count_include_pad=module.count_include_pad,
    )
    instead = getattr(module, "divisor_override", None)
    if not instead:
        return average_pool(layer)
    if module.ceil_mode or (any(layer.padding) and not module.count_include_pad):
        raise NoRuleError("no rule for divisor_override with ceil_mode or uncounted padding")
    assert layer.kernel is not None
    return average_pool(layer, math.prod(layer.kernel) / instead)


@standing_rule.register(nn.MaxPool1d)
@standing_rule.register(nn.MaxPool2d)
@standing_rule.register(nn.MaxPool3d)
def _(module: nn.MaxPool1d | nn.MaxPool2d | nn.MaxPool3d, shape: Shape, training: bool) -> Rule:
    dilation = per_axis(module.dilation, len(shape) - 1)
    return MaxPool(pool_layer("max", **_sliding(module, shape), dilation=dilation, ceil_mode=module.ceil_mode))


@standing_rule.register(nn.LPPool1d)
@standing_rule.register(nn.LPPool2d)
def _(module: nn.LPPool1d | nn.LPPool2d, shape: Shape, training: bool) -> Rule:
    sizes = _sliding(module, shape)
    return PowerPool(pool_layer("lp", **sizes, power=float(module.norm_type), ceil_mode=module.ceil_mode))


def _sliding(module: nn.Module, shape: Shape) -> dict[str, Any]:
    """Return how a window slides, with one number for each axis."""
    axes = len(shape) - 1
    settings = vars(module)
    kernel = per_axis(settings["kernel_size"], axes)
    stride = settings.get("stride")
    stride = kernel if stride is None else per_axis(stride, axes)
    return {"kernel": kernel, "stride": stride, "padding": settings.get("padding", 0), "size": tuple(shape[1:])}


@standing_rule.register(nn.AdaptiveAvgPool1d)
@standing_rule.register(nn.AdaptiveAvgPool2d)
@standing_rule.register(nn.AdaptiveAvgPool3d)
@standing_rule.register(nn.AdaptiveMaxPool1d)
@standing_rule.register(nn.AdaptiveMaxPool2d)
@standing_rule.register(nn.AdaptiveMaxPool3d)
def _(module: nn.Module, shape: Shape, training: bool) -> Rule:
    sizes, wanted = shape[1:], vars(module)["output_size"]
    targets = wanted if isinstance(wanted, tuple) else (wanted,) * len(sizes)
    outputs = tuple(size if target is None else target for size, target in zip(sizes, targets, strict=True))
    largest = isinstance(module, nn.AdaptiveMaxPool1d | nn.AdaptiveMaxPool2d | nn.AdaptiveMaxPool3d)
    layer = pool_layer("adaptive_max" if largest else "adaptive_average", size=sizes, output_size=outputs)
    return MaxPool(layer) if largest else average_pool(layer)


@standing_rule.register
def _(module: nn.MultiheadAttention, shape: Shape, training: bool) -> Rule:
    return attention(module, shape[0], shape[0], training=training)


def attention(
    module: nn.MultiheadAttention, queries: int, tokens: int, *, pattern: Pattern | None = None, training: bool = False
) -> Attention:
    """Return the rule of an attention layer.

    Args:
        module: The layer.
        queries: How many tokens attend.
        tokens: How many there are to attend to.
        pattern: Who attends to whom.
        training: Whether dropout drops.
    """
    if not module.batch_first:
        raise NoRuleError("no rule for attention whose first axis is not the batch yet")
    if module.bias_k is not None or module.add_zero_attn:
        raise NoRuleError("no rule for attention with added keys and values yet")
    biases = [None] * 3 if module.in_proj_bias is None else module.in_proj_bias.chunk(3)
    together = module.in_proj_weight
    apart = (module.q_proj_weight, module.k_proj_weight, module.v_proj_weight)
    rows = apart if together is None else together.chunk(3)
    query, key, value = (_square(w, b) for w, b in zip(rows, biases, strict=True))
    out = _square(module.out_proj.weight, module.out_proj.bias)
    dropout = module.dropout if training else 0.0
    return Attention(query, key, value, out, tokens, module.num_heads, dropout, queries, pattern)


def _square(weight: torch.Tensor, bias: torch.Tensor | None) -> Weights:
    rows, columns = weight.shape
    return measured_weights(weight, bias, fan_in=columns, fan_out=rows, units=rows)
