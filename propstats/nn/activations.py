"""Activations as torch modules: torch's own kernel where it has one, the formula where it has none."""

from typing import Any

import torch
from torch import nn

from propstats.activations import Activation
from propstats.activations.conversion.torch_modules import ELEMENTWISE_MODULES
from propstats.activations.names import find
from propstats.nn.written import read_state, written

_BY_NAME = {find(name).name: name for name in ELEMENTWISE_MODULES}


class Elementwise(nn.Module):
    """An activation that `torch.nn` does not have, by its formula.

    Args:
        activation: The activation.
    """

    def __init__(self, activation: Activation) -> None:
        super().__init__()
        self.activation = activation

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """Apply it."""
        result: torch.Tensor = self.activation(input)
        return result

    def extra_repr(self) -> str:
        """Return its name and parameters."""
        return str(self.activation)

    def __getstate__(self) -> dict[str, Any]:
        """Return what is saved: tensors, text and numbers."""
        return {**self.__dict__, "activation": written(self.activation)}

    def __setstate__(self, state: Any) -> None:
        """Take on what was saved.

        Raises:
            ModelError: If there is no activation in it.
        """
        super().__setstate__(read_state(state))  # type: ignore[no-untyped-call]


def activation_module(act: Activation) -> nn.Module:
    """Return a module without parameters that applies an activation.

    >>> from propstats.activations import activation
    >>> activation_module(activation("elu", alpha=0.5)), activation_module(activation("abs"))
    (ELU(alpha=0.5), Elementwise(abs))
    """
    if act.name == "identity":
        return nn.Identity()
    if act.name in ("gelu", "gelu_tanh"):
        return nn.GELU("tanh" if act.name == "gelu_tanh" else "none")
    if act.name in ("prelu", "leaky_relu"):  # a fixed slope
        return nn.LeakyReLU(next(iter(act.params.values())))
    if act.name not in _BY_NAME or find(act.name).text != act.text:
        return Elementwise(act)
    module: nn.Module = getattr(nn, _BY_NAME[act.name])(**act.params)
    return module


def is_rectifier(act: Activation) -> bool:
    """Whether it is the ReLU, by whatever name: its mean can be taken off by the rectifier itself."""
    return act.text == find("relu").text
