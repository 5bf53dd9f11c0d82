"""Networks with batch norm, or without any normalisation, as NormProp networks."""

import copy
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn

from propstats.activations.conversion.torch_modules import ELEMENTWISE_MODULES
from propstats.errors import DomainError, ModelError
from propstats.nn.normprop import NormProp
from propstats.nn.plain import PLAIN, geometry_of, is_chain
from propstats.nn.rows import row_lengths

_LIKE = {plain: own for own, plain in PLAIN.items()}
_BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
_KEPT = (
    nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d, nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d, nn.AdaptiveAvgPool1d,
    nn.AdaptiveAvgPool2d, nn.AdaptiveAvgPool3d, nn.AdaptiveMaxPool1d, nn.AdaptiveMaxPool2d, nn.AdaptiveMaxPool3d,
    nn.Flatten, nn.Unflatten, nn.Identity,
)  # fmt: skip
_Named = tuple[str, nn.Module]


def convert(model: nn.Module, like: str = "normprop", **options: Any) -> nn.Sequential:
    """Return a NormProp network with the weights of a plain one or of one with batch norm.

    Each layer of weights with an activation behind it, and a batch norm between them or not, becomes a NormProp layer;
    the last layer of weights and pooling stay. Directions of weights are kept, their lengths are not, which is what
    NormProp means: what was `phi(w z + b)` of a unit whose `z` has variance 1, by its batch norm or because `|W|` is
    divided out (`b` with it), becomes `phi(gamma (w z + b))`. The network computes something else than before, and is
    to be trained, on normalised data.

    Args:
        model: Nested `nn.Sequential`s; it stays as it is.
        like: What to convert to: `"normprop"` is all there is.
        **options: Of the NormProp layers: gamma, beta, constants, affine.

    Raises:
        DomainError: If `like` is something else.
        ModelError: If something in the model cannot be honoured; the message names it, and the reason.

    >>> convert(nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.Tanh(), nn.Linear(3, 2)))
    Sequential(
      (0): NormPropLinear(in_features=4, out_features=3, bias=False, activation=tanh, constants=paper)
      (1): Linear(in_features=3, out_features=2, bias=True)
    )
    """
    if like != "normprop":
        raise DomainError(f"can only convert to 'normprop', got {like!r}")
    parts = list(_parts("", model))
    last = max((k for k, (_, part) in enumerate(parts) if type(part) in _LIKE), default=-1)
    done: list[nn.Module] = []
    k = 0
    while k < len(parts):
        name, layer = parts[k]
        if type(layer) in _LIKE:
            batch_norm = parts[k + 1][1] if k + 1 < len(parts) and isinstance(parts[k + 1][1], _BATCH_NORMS) else None
            after = k + 1 + (batch_norm is not None)
            if after < len(parts) and _is_activation(parts[after][1]):
                done.append(_normprop(layer, batch_norm, parts[after][1], options))
                k = after + 1
                continue
            if k != last or batch_norm is not None:
                if after < len(parts) and "Dropout" in type(parts[after][1]).__name__:
                    raise _refused(parts[after], _why(parts[after][1]))
                raise _refused(parts[after - 1] if batch_norm is not None else parts[k], "no activation follows it")
            done.append(copy.deepcopy(layer))
        elif isinstance(layer, _KEPT):
            done.append(copy.deepcopy(layer))
        else:
            raise _refused((name, layer), _why(layer))
        k += 1
    return nn.Sequential(*done)


def _parts(name: str, module: nn.Module) -> Iterator[_Named]:
    if not is_chain(module):
        yield name or "model", module
        return
    for inside, child in module.named_children():
        yield from _parts(f"{name}.{inside}" if name else inside, child)


def _is_activation(module: nn.Module) -> bool:
    return type(module).__name__ in ELEMENTWISE_MODULES and type(module).__module__.startswith("torch.nn.")


def _why(layer: nn.Module) -> str:
    if isinstance(layer, _BATCH_NORMS) or _is_activation(layer):
        return "it does not follow a layer of weights"
    if "Dropout" in type(layer).__name__:
        return "it changes the distribution that NormProp's constants are for"
    if isinstance(layer, NormProp):
        return "it is converted already"
    if any(layer.children()):
        return "it has a forward of its own, and NormProp's constants hold along a chain"
    return "NormProp has nothing like it"


def _refused(part: _Named, why: str) -> ModelError:
    name, layer = part
    return ModelError(f"cannot convert {name} ({type(layer).__name__}): {why}", "take it out, or convert around it")


def _normprop(layer: Any, batch_norm: Any, act: nn.Module, options: dict[str, Any]) -> NormProp:
    # torch draws weights that are replaced here from this generator, not from the global one.
    scratch = torch.Generator(layer.weight.device)
    own = _LIKE[type(layer)](
        **geometry_of(layer),
        activation=act,
        generator=scratch,
        device=layer.weight.device,
        dtype=layer.weight.dtype,
        **options,
    )
    scale, bias = (batch_norm.weight, batch_norm.bias) if batch_norm is not None else (None, layer.bias)
    with torch.no_grad():
        own.weight.copy_(layer.weight)
        if bias is not None:
            own.beta.add_(own.gamma * bias / (1.0 if batch_norm is not None else row_lengths(own)))
        if scale is not None:
            own.gamma.mul_(scale)
    return own
