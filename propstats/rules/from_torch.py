"""Read rules off torch modules."""

from collections.abc import Sequence
from functools import singledispatch

import torch
from torch import nn

from propstats.activations.conversion.torch_modules import ELEMENTWISE_MODULES, of_module
from propstats.rules.dense import Weights
from propstats.rules.elementwise import Elementwise
from propstats.rules.norm import BatchNorm, LayerNorm, Unchanged
from propstats.rules.rule import Rule
from propstats.theory.weights.fans import Axis, Connections

Shape = Sequence[int]


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


def _mean(tensor: torch.Tensor | None, power: int, default: float = 0.0) -> float:
    return default if tensor is None else float(tensor.detach().double().pow(power).mean())


@rule_for.register
def _(module: nn.Linear, shape: Shape) -> Rule:
    weight = module.weight
    return Weights(
        _mean(weight, 1), _mean(weight, 2), _mean(module.bias, 1), _mean(module.bias, 2),
        fan_in=weight.shape[1], fan_out=weight.shape[0], units=weight.shape[0],
    )  # fmt: skip


@rule_for.register(nn.Conv1d)
@rule_for.register(nn.Conv2d)
@rule_for.register(nn.Conv3d)
def _(module: nn.Conv1d | nn.Conv2d | nn.Conv3d, shape: Shape) -> Rule:
    if module.padding_mode != "zeros" or isinstance(module.padding, str):
        raise NoRuleError(f"no rule for convolutions with padding {module.padding_mode!r} {module.padding!r} yet")
    terms = connections(module, shape)
    weight = module.weight
    return Weights(
        _mean(weight, 1), _mean(weight, 2), _mean(module.bias, 1), _mean(module.bias, 2),
        fan_in=terms.terms_in, fan_out=terms.terms_out, units=module.out_channels,
    )  # fmt: skip


def connections(module: nn.Conv1d | nn.Conv2d | nn.Conv3d, shape: Shape) -> Connections:
    """Return what a convolution with numbers for its padding connects.

    Args:
        module: The convolution.
        shape: Shape of its input, without the batch.

    Raises:
        DomainError: If the kernel is larger than the input.
    """
    assert not isinstance(module.padding, str)
    axes = tuple(
        Axis(size, kernel, stride, (padding, padding), dilation)
        for size, kernel, stride, padding, dilation in zip(
            shape[1:], module.kernel_size, module.stride, module.padding, module.dilation, strict=True
        )
    )
    return Connections(module.in_channels, module.out_channels, module.groups, axes)


@rule_for.register(nn.BatchNorm1d)
@rule_for.register(nn.BatchNorm2d)
@rule_for.register(nn.BatchNorm3d)
def _(module: nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d, shape: Shape) -> Rule:
    if module.running_var is None:
        raise NoRuleError("no rule for batch norm without running statistics yet")
    variance = module.running_var.double() + module.eps
    scale = torch.ones_like(variance) if module.weight is None else module.weight.detach().double()
    shrink = module.running_var.double() / variance
    return BatchNorm(
        _mean(scale * shrink.sqrt(), 2), _mean(module.bias, 1), _mean(module.bias, 2), _mean(scale / variance.sqrt(), 2)
    )


@rule_for.register
def _(module: nn.LayerNorm, shape: Shape) -> Rule:
    return LayerNorm(_mean(module.weight, 2, 1.0), _mean(module.bias, 1), _mean(module.bias, 2), module.eps)


def _elementwise(module: nn.Module, shape: Shape) -> Rule:
    if isinstance(module, nn.PReLU) and module.weight.numel() != 1:
        raise NoRuleError("no rule for PReLU with a slope per channel yet")
    found = of_module(module)
    if found is None:
        raise NoRuleError(
            f"no rule for {type(module).__name__}, which may compute something else than what it derives from"
        )
    return Elementwise(found)


for _name in ELEMENTWISE_MODULES:
    rule_for.register(getattr(nn, _name), _elementwise)


@rule_for.register(nn.Identity)
@rule_for.register(nn.Flatten)
@rule_for.register(nn.Unflatten)
@rule_for.register(nn.Dropout)
@rule_for.register(nn.Dropout1d)
@rule_for.register(nn.Dropout2d)
@rule_for.register(nn.Dropout3d)
@rule_for.register(nn.AlphaDropout)
def _(module: nn.Module, shape: Shape) -> Rule:
    return Unchanged()
