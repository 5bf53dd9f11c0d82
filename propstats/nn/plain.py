"""Torch's own layers in the place of NormProp's, and the other way round."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import nn

from propstats.nn import layers
from propstats.nn.normprop import NormProp

#: The layers of torch that NormProp's derive from.
PLAIN: dict[type[NormProp], type[nn.Module]] = {
    layers.NormPropLinear: nn.Linear,
    layers.NormPropConv1d: nn.Conv1d,
    layers.NormPropConv2d: nn.Conv2d,
    layers.NormPropConv3d: nn.Conv3d,
    layers.NormPropConvTranspose1d: nn.ConvTranspose1d,
    layers.NormPropConvTranspose2d: nn.ConvTranspose2d,
    layers.NormPropConvTranspose3d: nn.ConvTranspose3d,
}


def plain_kind(layer: NormProp) -> type[nn.Module]:
    """Return the class of torch that a NormProp layer derives from."""
    return next(kind for own, kind in PLAIN.items() if isinstance(layer, own))


def geometry_of(layer: nn.Module) -> dict[str, Any]:
    """Return the arguments that a layer of weights was made with, apart from those that NormProp adds.

    >>> geometry_of(nn.Linear(3, 2))
    {'in_features': 3, 'out_features': 2}
    """
    names = ["in_features", "out_features"]
    if not isinstance(layer, nn.Linear):
        names = ["in_channels", "out_channels", "kernel_size", "stride", "padding", "dilation", "groups"]
        names += ["padding_mode"] + ["output_padding"] * bool(getattr(layer, "transposed", False))
    return {name: getattr(layer, name) for name in names}


def is_chain(module: nn.Module) -> bool:
    """Whether a module applies its parts one after the other, and does nothing else."""
    own_way = not isinstance(module, nn.Sequential) or type(module).forward is not nn.Sequential.forward
    return not own_way and not has_hooks(module)


def has_hooks(module: nn.Module) -> bool:
    """Whether something may change what goes into a module or comes out of it."""
    return bool(module._forward_hooks or module._forward_pre_hooks)


def along(model: nn.Module, name: str = "") -> Iterator[tuple[str, nn.Module]]:
    """Yield what nested chains apply one after the other, by name.

    A part that is applied twice comes twice, which torch's `named_children` leaves out.

    >>> act = nn.ReLU()
    >>> [name for name, _ in along(nn.Sequential(nn.Sequential(nn.Linear(2, 2), act), nn.Linear(2, 2), act))]
    ['0.0', '0.1', '1', '2']
    """
    if not is_chain(model):
        yield name, model
        return
    for inside, part in model._modules.items():
        if part is not None:
            yield from along(part, f"{name}.{inside}" if name else inside)


def with_weights(
    kind: type[nn.Module], geometry: dict[str, Any], weight: torch.Tensor, bias: torch.Tensor
) -> nn.Module:
    """Return a layer of torch with given weights and bias."""
    layer = kind(**geometry, device="meta")
    layer.register_parameter("weight", nn.Parameter(weight.detach().clone()))
    layer.register_parameter("bias", nn.Parameter(bias.detach().clone()))
    return layer
