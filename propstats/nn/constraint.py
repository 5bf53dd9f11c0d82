"""The constraint of the paper's training: rows of weights have length one after each step."""

from typing import Any

import torch
from torch import nn
from torch.utils.hooks import RemovableHandle

from propstats.errors import ModelError
from propstats.nn.normprop import NormProp
from propstats.nn.rows import row_lengths, scale_rows


def normalize_rows_(model: nn.Module) -> None:
    """Give each row of weights of the NormProp layers of a model length one, in place.

    The layers divide by the length, so that nothing they compute changes; their gradients, which go with its inverse,
    do. Rows of zeros stay.

    Args:
        model: The model, or one of its layers.

    References:
        Arpit et al. 2016, arXiv:1603.01431, section 4.4, "Constraints".

    >>> from propstats.nn import NormPropLinear
    >>> normalize_rows_(layer := NormPropLinear(3, 2))
    >>> [round(length, 5) for length in row_lengths(layer).tolist()]
    [1.0, 1.0]
    """
    with torch.no_grad():
        for layer in model.modules():
            if isinstance(layer, NormProp):
                layer.weight.copy_(scale_rows(layer, layer.weight, 1.0 / row_lengths(layer)))


def constrain_rows(optimizer: torch.optim.Optimizer, model: nn.Module) -> RemovableHandle:
    """Let an optimiser normalise the rows of a model's NormProp layers after each of its steps.

    Args:
        optimizer: Any optimiser of torch.
        model: The model.

    Returns:
        A handle whose `remove()` ends it.

    Raises:
        ModelError: If the model has no NormProp layers.

    References:
        Arpit et al. 2016, arXiv:1603.01431, section 4.4, "Constraints".

    >>> from propstats.nn import NormPropLinear
    >>> layer = NormPropLinear(3, 2, generator=torch.Generator().manual_seed(0))
    >>> optimizer = torch.optim.SGD(layer.parameters(), lr=0.1)
    >>> handle = constrain_rows(optimizer, layer)
    >>> layer(torch.ones(1, 3)).sum().backward()
    >>> optimizer.step()
    >>> [round(length, 5) for length in row_lengths(layer).tolist()]
    [1.0, 1.0]
    """
    if not any(isinstance(layer, NormProp) for layer in model.modules()):
        raise ModelError(f"{type(model).__name__} has no NormProp layers whose rows could be constrained")

    def after(optimizer: torch.optim.Optimizer, args: Any, kwargs: Any) -> None:
        normalize_rows_(model)

    return optimizer.register_step_post_hook(after)
