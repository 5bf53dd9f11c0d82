"""Which modules are layers, to be measured as one; inside all others every function is a call of its own."""

from torch import nn

from propstats.rules.from_torch import rule_for

_CONTAINERS = nn.Sequential | nn.ModuleList | nn.ModuleDict | nn.ParameterList | nn.ParameterDict


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
    inside = any(name != "parametrizations" for name, _ in module.named_children())
    return not inside and classes[computes].__module__.startswith(("torch.nn.", "torch.ao.nn."))


def layers_of(model: nn.Module) -> dict[str, nn.Module]:
    """Return the layers of a network with their dotted names; what is inside of a layer is none."""
    layers: dict[str, nn.Module] = {}
    inside: set[nn.Module] = set()
    for name, module in model.named_modules():
        if module not in inside and is_leaf(module):
            layers[name or "model"] = module
            inside.update(module.modules())
    return layers
