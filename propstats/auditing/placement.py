"""Networks on accelerators, where an audit can look at them."""

import copy
from itertools import chain

import torch
from torch import nn

from propstats.auditing.measuring.trees import tensors_in
from propstats.errors import ModelError
from propstats.text import reason_of


def on_cpu(network: nn.Module) -> nn.Module:
    """Return a network itself if it is on the CPU, else a copy there; the network stays where it is.

    Statistics are sums in double precision, which not every device has, and their digits shall not depend on where a
    network happens to be.

    Args:
        network: In any mode, on any device.

    Raises:
        ModelError: If it has no values to copy (device `meta`), or cannot be copied.

    >>> network = nn.Linear(2, 2)
    >>> on_cpu(network) is network
    True
    """
    tensors = list(chain(network.parameters(), network.buffers()))
    elsewhere = next((tensor.device for tensor in tensors if tensor.device.type != "cpu"), None)
    if elsewhere is None or isinstance(network, torch.jit.ScriptModule):
        return network
    if elsewhere.type == "meta":
        raise ModelError("the network has no values: it is on the device meta", "load its weights first")
    # Values are copied from device to CPU at once: a copy on the device might not fit there.
    held = (tensor for module in network.modules() for tensor in tensors_in(dict(vars(module))))
    try:
        near = copy.deepcopy(network, {id(tensor): _near(tensor) for tensor in chain(tensors, held)})
    except Exception as error:
        what = f"the network is on {elsewhere} and cannot be copied: {reason_of(error)}"
        raise ModelError(what, "move it to the CPU yourself: .cpu()") from None
    for module in near.modules():
        for name, value in vars(module).items():
            if isinstance(value, torch.device):  # where it would put tensors that it makes
                setattr(module, name, torch.device("cpu"))
    return near


def _near(tensor: torch.Tensor) -> torch.Tensor:
    values = tensor.detach().cpu()
    return nn.Parameter(values, tensor.requires_grad) if isinstance(tensor, nn.Parameter) else values
