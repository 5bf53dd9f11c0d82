"""Weights that processes hold parts of."""

import torch


def whole(tensor: torch.Tensor) -> torch.Tensor:
    """Return the numbers of a weight, gathered from all processes where each holds a part of it (FSDP).

    Every process has to call it. What torch computes of its own part alone (a mean as a float) is wrong in silence.

    >>> whole(torch.ones(2, requires_grad=True))
    tensor([1., 1.])
    """
    gather = getattr(tensor, "full_tensor", None)
    gathered: torch.Tensor = tensor if gather is None else gather()
    return gathered.detach()
