"""A network as a NormProp network: not other scales, other layers."""

from typing import Any, Final, cast

import torch
from torch import nn

from propstats.auditing.fixing.records import Change
from propstats.auditing.fixing.scaling import rms
from propstats.auditing.records import Skipped
from propstats.nn.convert import convert
from propstats.nn.normprop import NormProp
from propstats.nn.plain import PLAIN

NORMPROP: Final = "normprop"
#: The constants follow what a unit receives, and the shift brings it where a ReLU is almost linear: signal and gradient
#: both come through many layers, which with the paper's constants only one of them does.
_OPTIONS: Final[dict[str, Any]] = {"constants": "matched", "gamma": 1.0, "beta": 1.0}


def normprop(network: nn.Module) -> tuple[nn.Sequential, tuple[Change, ...], tuple[Skipped, ...]]:
    """Return a NormProp network with the directions of a network's weights, what became of them, and what stayed.

    Raises:
        ModelError: If something in the network cannot be honoured; the message names it.

    References:
        Arpit et al. 2016, arXiv:1603.01431, Eq. 11, with constants at N(beta, gamma^2).

    >>> model = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 2))
    >>> converted, changes, stayed = normprop(model)
    >>> [change.name for change in changes], round(changes[0].weight_std, 6), [skipped.name for skipped in stayed]
    (['0'], 0.5, ['2'])
    """
    converted = convert(network, **_OPTIONS)
    kinds = tuple(PLAIN.values())
    before = [(name, module) for name, module in network.named_modules() if isinstance(module, kinds)]
    after = [module for module in converted.modules() if isinstance(module, kinds)]
    changes, stayed = list[Change](), list[Skipped]()
    for (name, plain), own in zip(before, after, strict=True):
        if isinstance(own, NormProp):
            now = rms(own.effective_weight())
            was = rms(cast("torch.Tensor", plain.weight))
            changes.append(Change(name, now / was if was > 0 else float("inf"), now, rms(own.beta)))
        else:
            stayed.append(Skipped(name, "the last layer of weights stays as it is"))
    return converted, tuple(changes), tuple(stayed)
