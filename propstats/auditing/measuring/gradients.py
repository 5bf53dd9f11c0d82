"""Where to wait for the gradient of a tensor that may be changed in place later."""

from collections.abc import Callable

import torch

from propstats.auditing.measuring.trees import tensors_in


def watch_gradient(tensor: torch.Tensor, inputs: object, add: Callable[[torch.Tensor], None]) -> None:
    """Call a function with the gradient of a tensor as it is now, whatever changes it afterwards.

    Autograd keeps the hooks of a tensor that is changed in place, but drops those of a view, whose history it writes
    anew. Where a call gives a view of all of a tensor that nobody else has seen (`nn.Linear` does, for sequences), that
    tensor is watched instead.

    Args:
        tensor: What a call gave.
        inputs: What it received, in whatever holds tensors.
        add: Called with each gradient, in the shape of the tensor.
    """
    base = tensor._base if tensor._is_view() else None
    watched, shape = tensor, None
    if base is not None and base.requires_grad and base.numel() == tensor.numel():
        seen = any(base is given or base is given._base for given in tensors_in(inputs))
        if not seen and base.is_contiguous() and tensor.is_contiguous():
            watched, shape = base, tensor.shape

    def arrives(gradient: torch.Tensor | None) -> None:
        if gradient is not None:  # it is None where nothing depends on the tensor
            add(gradient if shape is None else gradient.reshape(shape))

    watched.register_hook(arrives)  # type: ignore[no-untyped-call]
