"""NormProp networks as plain ones: what was normalised becomes weights, biases and where the rectifiers start.

New weights are worked out in double precision and rounded once, so that a folded network is as near to the exact one as
the network that it stands for: both round what they compute, and folding adds nothing to that.
"""

import copy
from collections.abc import Iterator

import torch
from torch import nn

from propstats.errors import ModelError
from propstats.nn.activations import activation_module, is_rectifier
from propstats.nn.affine import ABSORBING, Affine, moved_behind
from propstats.nn.constants import widest
from propstats.nn.gradient import ScaleGradient
from propstats.nn.normprop import NormProp
from propstats.nn.plain import along, geometry_of, has_hooks, is_chain, plain_kind, with_weights

_Typed = tuple[nn.Module, torch.dtype | None]


def fold(model: nn.Module) -> nn.Module:
    """Return a network of plain layers that computes the same, for inference.

    Lengths, gamma and beta go into weights and biases. A ReLU takes its constants along, `max((h - c2)/c1, -c2/c1)`,
    so that zeros around an image stay what they were; other activations hand theirs to the next layer's weights, if a
    chain leads there, and zeros around an image become what phi must be for them. Where neither can be, a scale and a
    shift stay. Scales of gradients are left out.

    Args:
        model: The model, which stays as it is.

    Raises:
        ModelError: If a fully connected layer has learned a slope for each unit, for which torch has no module, or a
            layer has hooks.

    >>> from propstats.nn import NormPropConv2d
    >>> fold(nn.Sequential(NormPropConv2d(1, 2, 3), NormPropConv2d(2, 2, 3, activation="tanh", padding=1)))
    Sequential(
      (0): Conv2d(1, 2, kernel_size=(3, 3), stride=(1, 1))
      (1): Threshold(threshold=-0.683331696..., value=-0.683331696..., inplace=True)
      (2): Conv2d(2, 2, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1))
      (3): Tanh()
      (4): Affine()
    )
    """
    return _folded(copy.deepcopy(model).eval()).eval()  # what is new, too


def _folded(module: nn.Module) -> nn.Module:
    if isinstance(module, NormProp) or is_chain(module):
        layers = _without_affine(list(_chain(module)))
        return layers[0] if len(layers) == 1 else nn.Sequential(*layers)
    if isinstance(module, ScaleGradient):
        return nn.Identity()
    for name, child in module._modules.items():
        if child is not None:
            module.add_module(name, _folded(child))
    return module


def _chain(module: nn.Module) -> Iterator[_Typed]:
    """Yield what is applied one after the other, and the type that it is to be rounded to if it changes."""
    for name, part in along(module):
        if isinstance(part, ScaleGradient):
            continue  # nothing forwards, and an affine part may go on
        if isinstance(part, NormProp):
            yield from ((plain, part.weight.dtype) for plain in _parts(name, part))
        else:
            yield _folded(part), part.weight.dtype if isinstance(part, ABSORBING) else None


def _parts(name: str, layer: NormProp) -> list[nn.Module]:
    """Return a NormProp layer as plain weights, an activation and an affine part, in double precision."""
    if has_hooks(layer):
        raise ModelError(f"{name or 'the layer'} has hooks, which a plain layer would not have", "remove them first")
    layer = copy.deepcopy(layer).to(widest(layer.weight.device))
    c1, c2 = (
        torch.as_tensor(c, dtype=layer.beta.dtype, device=layer.beta.device).view(-1) for c in layer.current_constants()
    )
    kind, geometry, weight = plain_kind(layer), geometry_of(layer), layer.effective_weight()
    axes = weight.dim() - 2
    if is_rectifier(layer.activation) and c1.numel() == 1:
        scale, shift = c1.item(), c2.item()
        plain = with_weights(kind, geometry, weight / scale, (layer.beta - shift) / scale)
        return [plain, nn.Threshold(-shift / scale, -shift / scale, inplace=True)]
    return [with_weights(kind, geometry, weight, layer.beta), _activation(layer), Affine(1.0 / c1, -c2 / c1, axes)]


def _activation(layer: NormProp) -> nn.Module:
    if layer.slope is None:
        return activation_module(layer.activation)
    if layer.slope.numel() > 1 and layer.weight.dim() == 2:
        raise ModelError("a fully connected layer with a slope for each unit cannot be folded", "share the slope")
    slope = nn.PReLU(layer.slope.numel(), device="meta")
    slope.register_parameter("weight", nn.Parameter(layer.slope.detach().clone()))
    return slope


def _without_affine(layers: list[_Typed]) -> list[nn.Module]:
    """Return the chain with every affine part as far behind as it goes, and into weights where it meets them."""
    done: list[_Typed] = []
    for layer, dtype in layers:
        last, before = done[-1] if done else (None, None)
        moved = moved_behind(last, layer) if isinstance(last, Affine) else None
        if moved is None:
            done.append((layer, dtype))
        else:
            done[-1:] = [(part, dtype or before) for part in moved]
    return [layer if dtype is None else layer.to(dtype) for layer, dtype in done]
