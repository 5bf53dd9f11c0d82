"""Which modules are layers, to be measured as one; inside all others every function is a call of its own."""

import re

from torch import nn
from torch.optim.swa_utils import AveragedModel

from propstats.rules.from_torch import rule_for

_CONTAINERS = nn.Sequential | nn.ModuleList | nn.ModuleDict | nn.ParameterList | nn.ParameterDict
_PARALLEL = (nn.DataParallel, nn.parallel.DistributedDataParallel)
#: Names that wrappers put between those of the modules: torch.compile, FSDP, activation checkpointing.
_WRAPPERS = re.compile(r"\b(_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module)(\.|$)")


def is_leaf(module: nn.Module) -> bool:
    """Whether a module is a layer: it has a rule, or it is a class of torch.nn without modules in it.

    A class of the user's that derives from one of torch.nn and computes something else is no layer.
    """
    if isinstance(module, _CONTAINERS):
        return False
    classes = type(module).__mro__
    computes = next(i for i, kind in enumerate(classes) if "forward" in vars(kind))
    if any(kind in rule_for.registry and kind is not nn.Module for kind in classes[: computes + 1]):
        return True
    if isinstance(module, nn.MultiheadAttention):
        computes_as_torch = type(module).forward is nn.MultiheadAttention.forward
        return computes_as_torch
    return not _inside(module) and classes[computes].__module__.startswith(("torch.nn.", "torch.ao.nn."))


def unwrapped(model: nn.Module) -> nn.Module:
    """Return the network inside what runs it: DataParallel, DistributedDataParallel, torch.compile, averaged weights.

    >>> unwrapped(nn.DataParallel(nn.ReLU()))
    ReLU()
    """
    while True:
        inner = getattr(model, "_orig_mod", None)
        if isinstance(model, (*_PARALLEL, AveragedModel)):
            inner = model.module
        if not isinstance(inner, nn.Module):
            return model
        model = inner


def layers_of(model: nn.Module) -> dict[str, nn.Module]:
    """Return what hooks can watch of a network: its layers, and the user's own modules that have none inside.

    Each is there once, under the name that it has without wrappers; what is inside of a layer is none.

    >>> list(layers_of(nn.DataParallel(nn.Sequential(nn.Linear(2, 2), nn.Sequential(nn.ReLU())))))
    ['0', '1.0']
    """
    layers: dict[str, nn.Module] = {}
    _collect("", model, set(), layers)
    return layers


def _collect(name: str, module: nn.Module, seen: set[nn.Module], layers: dict[str, nn.Module]) -> None:
    if module in seen:
        return
    seen.add(module)
    inside = _inside(module)
    if isinstance(module, _PARALLEL):
        _collect(name, module.module, seen, layers)
    elif is_leaf(module) or not (inside or isinstance(module, _CONTAINERS)):
        seen.update(module.modules())
        layers[without_wrappers(name) or "model"] = module
    else:
        for child, part in inside.items():
            _collect(f"{name}.{child}" if name else child, part, seen, layers)


def _inside(module: nn.Module) -> dict[str, nn.Module]:
    """Return the modules in a module, but for the parametrizations of its weights."""
    return {name: child for name, child in module.named_children() if name != "parametrizations"}


def without_wrappers(name: str) -> str:
    """Take out of a module's name what wrappers put into it.

    >>> without_wrappers("_orig_mod.encoder._checkpoint_wrapped_module.0")
    'encoder.0'
    """
    return _WRAPPERS.sub("", name).rstrip(".")
