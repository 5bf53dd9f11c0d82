"""Checkpoints of NormProp layers: what a state_dict has to have."""

from typing import Any

from torch import nn

from propstats.errors import ModelError

#: Under which name torch keeps the extra state.
_EXTRA = "_extra_state"


def check_checkpoint(layer: nn.Module, state_dict: Any, prefix: str) -> None:
    """Refuse what cannot be a layer's own, before torch loads it.

    Args:
        layer: A NormProp layer.
        state_dict: The checkpoint of the whole network.
        prefix: What the layer's names begin with.

    Raises:
        ModelError: If shapes differ, or there is no gamma beside the weights.
    """
    if prefix + "weight" in state_dict and prefix + "gamma" not in state_dict:
        hint = "load a plain one into a plain network, and convert that"
        raise ModelError(f"the checkpoint has no {prefix}gamma: its layer is no NormProp layer", hint)
    for name, own in layer.state_dict().items():
        other = state_dict.get(prefix + name)
        if name != _EXTRA and other is not None and other.shape != own.shape:
            shapes = f"{tuple(other.shape)}, and {tuple(own.shape)} in this network"
            raise ModelError(f"{prefix}{name} has the shape {shapes}", "it is of a layer of another size")
