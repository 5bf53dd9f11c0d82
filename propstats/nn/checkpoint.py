"""Checkpoints of NormProp layers: what a state_dict has to have."""

import json
from collections.abc import Mapping
from typing import Any

import torch
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


def packed(state: Mapping[str, object]) -> torch.Tensor:
    """Return what a layer is made of, besides tensors, as bytes of JSON.

    >>> bytes(packed({"constants": "paper"}).tolist())
    b'{"constants": "paper"}'
    """
    return torch.frombuffer(bytearray(json.dumps(state).encode()), dtype=torch.uint8)


def check_packed(own: torch.Tensor, other: torch.Tensor) -> None:
    """Refuse the packed state of another kind of layer.

    Args:
        own: That of the layer.
        other: That of a checkpoint, which may come from anywhere.

    Raises:
        ModelError: If they differ, or the other is damaged.

    >>> check_packed(packed({"constants": "paper"}), packed({"constants": "matched"}))
    Traceback (most recent call last):
    propstats.errors.ModelError: the checkpoint is of a NormProp layer with constants 'matched', this one has 'paper'
    """
    try:
        held = dict(json.loads(bytes(other.tolist())))
    except (AttributeError, TypeError, ValueError):  # no tensor, no bytes, no JSON, no names
        raise ModelError("the extra state of a NormProp layer is damaged", "save the checkpoint again") from None
    for what, value in json.loads(bytes(own.tolist())).items():
        if held.get(what) != value:
            raise ModelError(
                f"the checkpoint is of a NormProp layer with {what} {held.get(what)!r}, this one has {value!r}"
            )
