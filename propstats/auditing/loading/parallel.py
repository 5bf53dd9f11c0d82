"""Networks that were saved inside of what trained them on several GPUs."""

from torch import nn

from propstats.errors import ModelError


def without_data_parallel(network: nn.Module, *, name: str) -> nn.Module:
    """Take `nn.DataParallel` off a network, and off its parts in place: it asks for the GPUs that it was made for.

    Args:
        network: The network, checked as `check_module` does.
        name: How to name it in the error.

    Raises:
        ModelError: If there is no network in one.

    >>> without_data_parallel(nn.DataParallel(nn.Sequential(nn.DataParallel(nn.ReLU()))), name="m.pt")
    Sequential(
      (0): ReLU()
    )
    """
    network = _inside(network, name)
    for part in network.modules():
        for place, child in part._modules.items():
            if child is not None:
                part._modules[place] = _inside(child, name)
    return network


def _inside(module: nn.Module, name: str) -> nn.Module:
    while isinstance(module, nn.DataParallel):
        inner = module._modules.get("module")
        if inner is None:
            raise ModelError(f"{name}: has an nn.DataParallel without a network in it", "save the network's state_dict")
        module = inner
    return module
