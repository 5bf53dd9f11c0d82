"""Networks with batch norm, or without any normalisation, as NormProp networks."""

import copy
from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import nn
from torch.nn.modules.lazy import LazyModuleMixin
from torch.nn.utils import parametrize

from propstats.activations.conversion.torch_modules import ELEMENTWISE_MODULES
from propstats.errors import DomainError, ModelError
from propstats.nn.data import BatchNormalization, GlobalNormalization
from propstats.nn.normprop import NormProp
from propstats.nn.plain import PLAIN, along, geometry_of, has_hooks
from propstats.nn.rows import row_lengths

_LIKE = {plain: own for own, plain in PLAIN.items()}
_BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)
_KEPT = (
    nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d, nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d, nn.AdaptiveAvgPool1d,
    nn.AdaptiveAvgPool2d, nn.AdaptiveAvgPool3d, nn.AdaptiveMaxPool1d, nn.AdaptiveMaxPool2d, nn.AdaptiveMaxPool3d,
    nn.Flatten, nn.Unflatten, nn.Identity, GlobalNormalization, BatchNormalization,
)  # fmt: skip
#: What makes probabilities of scores stays behind the last layer, which stays as well.
_BEHIND_SCORES = (nn.Softmax, nn.LogSoftmax)
_AROUND = "take it out, or convert around it"
_Named = tuple[str, nn.Module]


def convert(
    model: nn.Module,
    like: str = "normprop",
    *,
    gamma: float | str = "jacobian",
    beta: float = 0.0,
    constants: str = "paper",
    affine: bool = True,
) -> nn.Sequential:
    """Return a NormProp network with the weights of a plain one or of one with batch norm.

    Each layer of weights with an activation behind it, and a batch norm between them or not, becomes a NormProp layer;
    a last layer of weights without an activation stays, and so does pooling. Directions of weights are kept, their
    lengths are not, which is what NormProp means: what was `phi(w z + b)` of a unit whose `z` has variance 1, by its
    batch norm or because `|W|` is divided out (`b` with it), becomes `phi(gamma (w z + b))`. What was frozen stays
    frozen. The network computes something else than before, and is to be trained, on normalised data.

    Args:
        model: Nested `nn.Sequential`s; it stays as it is.
        like: What to convert to: `"normprop"` is all there is.
        gamma: Scale at initialisation, as of `NormProp`; a batch norm's is multiplied by it.
        beta: Shift at initialisation; what units learned as their bias is added.
        constants: `"paper"` or `"matched"`.
        affine: Whether gamma and beta are learned.

    Raises:
        DomainError: If `like` is something else, or a layer cannot be made with these numbers; the message names it.
        ModelError: If something in the model cannot be honoured; the message names it, and the reason.

    >>> convert(nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.Tanh(), nn.Linear(3, 2)))
    Sequential(
      (0): NormPropLinear(in_features=4, out_features=3, bias=False, activation=tanh, constants=paper)
      (1): Linear(in_features=3, out_features=2, bias=True)
    )
    """
    if like != "normprop":
        raise DomainError(f"can only convert to 'normprop', got {like!r}")
    if not isinstance(model, nn.Module):
        raise ModelError(f"can only convert a torch.nn.Module, got {type(model).__name__}")
    options = {"gamma": gamma, "beta": beta, "constants": constants, "affine": affine}
    parts = [(name or "model", part) for name, part in along(model)]
    _check_owners(parts)
    last = max((k for k, (_, part) in enumerate(parts) if type(part) in _LIKE), default=-1)
    done: list[nn.Module] = []
    k = 0
    while k < len(parts):
        layer = parts[k][1]
        if type(layer) not in _LIKE:
            if not isinstance(layer, _KEPT) and not (k > last and isinstance(layer, _BEHIND_SCORES)):
                raise _refused(parts[k])
            done.append(copy.deepcopy(layer))
            k += 1
            continue
        is_normed = k + 1 < len(parts) and isinstance(parts[k + 1][1], _BATCH_NORMS)
        after = k + 1 + is_normed
        if after < len(parts) and _is_activation(parts[after][1]):
            done.append(_normprop(parts[k], parts[k + 1] if is_normed else None, parts[after][1], options))
            k = after + 1
        elif k == last and not is_normed:
            done.append(copy.deepcopy(layer))
            k += 1
        else:
            raise _unfollowed(parts[after - 1 : after + 1])
    return nn.Sequential(*done).train(model.training)


def _check_owners(parts: Sequence[_Named]) -> None:
    """Refuse parts that more is done with than a chain says."""
    owners: dict[nn.Parameter, str] = {}
    for name, part in parts:
        for parameter in part.parameters():
            if parameter in owners:
                why = f"it shares a parameter with {owners[parameter]}, and each NormProp layer has its own"
                raise _cannot((name, part), why, "give it a copy: copy.deepcopy")
        owners |= dict.fromkeys(part.parameters(), name)
        if parametrize.is_parametrized(part):
            hint = "fix them first: torch.nn.utils.parametrize.remove_parametrizations"
            raise _cannot((name, part), "its weights are made of others, as NormProp's are", hint)
        if isinstance(part, LazyModuleMixin):
            raise _cannot((name, part), "it has no weights yet", "run the model once, on data")
        if has_hooks(part):
            raise _cannot((name, part), "it has hooks, which would be lost", "remove them, and add them afterwards")


def _is_activation(module: nn.Module) -> bool:
    return type(module).__name__ in ELEMENTWISE_MODULES and type(module).__module__.startswith("torch.nn.")


def _refused(part: _Named) -> ModelError:
    """Return why a part that is no layer of weights cannot stay where it is."""
    layer = part[1]
    kind = type(layer).__name__
    if isinstance(layer, _BATCH_NORMS) or _is_activation(layer):
        return _cannot(part, "it does not follow a layer of weights")
    if "Dropout" in kind:
        return _cannot(part, "it changes the distribution that NormProp's constants are for")
    if "Norm" in kind and kind in vars(nn):
        return _cannot(part, "it normalises, and NormProp's constants stand for batch norm only", "take it out")
    if isinstance(layer, NormProp):
        return _cannot(part, "it is converted already")
    if any(layer.children()):
        why = "it has a forward of its own, and NormProp's constants hold along a chain"
        return _cannot(part, why, "write it as nn.Sequential, or convert the chains inside it one by one")
    return _cannot(part, "NormProp has nothing like it")


def _unfollowed(parts: Sequence[_Named]) -> ModelError:
    """Return what is wrong where no activation follows a layer, the first of these two."""
    if len(parts) > 1 and not isinstance(parts[1][1], _KEPT) and type(parts[1][1]) not in _LIKE:
        return _refused(parts[1])
    return _cannot(parts[0], "no activation follows it", "put one right behind it, or convert around it")


def _cannot(part: _Named, why: str, hint: str = _AROUND) -> ModelError:
    name, layer = part
    return ModelError(f"cannot convert {name} ({type(layer).__name__}): {why}", hint)


def _normprop(part: _Named, norm: _Named | None, act: nn.Module, options: dict[str, Any]) -> NormProp:
    name, layer = cast("tuple[str, Any]", part)
    batch_norm: Any = None if norm is None else norm[1]
    weight = layer.weight
    # torch draws weights that are replaced here from this generator, not from the global one.
    scratch = None if weight.is_meta else torch.Generator(weight.device)
    where = {"generator": scratch, "device": weight.device, "dtype": weight.dtype}
    try:
        own = _LIKE[type(layer)](**geometry_of(layer), activation=act, **where, **options)
    except DomainError as error:
        raise DomainError(f"cannot convert {name} ({type(layer).__name__}): {error.message}", error.hint) from None
    if norm is not None and batch_norm.num_features != own.beta.numel():
        why = f"{name} has {own.beta.numel()} units, and it is for {batch_norm.num_features}"
        raise _cannot(norm, why, "the network cannot run: mend it first")
    scale, bias = (batch_norm.weight, batch_norm.bias) if norm is not None else (None, layer.bias)
    with torch.no_grad():
        own.weight.copy_(weight)
        if bias is not None:
            own.beta.add_(own.gamma * bias / (1.0 if norm is not None else row_lengths(own)))
        if scale is not None:
            own.gamma.mul_(scale)
    learned = {"weight": weight, "gamma": scale, "beta": bias, "slope": getattr(act, "weight", None)}
    for own_name, parameter in own.named_parameters():
        like = learned[own_name]
        parameter.requires_grad_((weight if like is None else like).requires_grad)
    return own
