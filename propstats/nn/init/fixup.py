"""Fixup: residual networks that train without normalisation."""

from typing import Any

import torch
from torch import nn

from propstats.activations.conversion.torch_modules import ELEMENTWISE_MODULES
from propstats.errors import ModelError
from propstats.nn.init.schemes import WEIGHTED, initialize_, layers_of
from propstats.nn.plain import is_chain


class Residual(nn.Module):
    """`shortcut(x) + branch(x)`.

    Args:
        branch: The branch: a chain, for what Fixup puts between its layers.
        shortcut: The other way; the identity if there is none.

    >>> Residual(nn.Linear(2, 2))(torch.zeros(1, 2)).shape
    torch.Size([1, 2])
    """

    def __init__(self, branch: nn.Module, shortcut: nn.Module | None = None) -> None:
        super().__init__()
        self.branch = branch
        self.shortcut = nn.Identity() if shortcut is None else shortcut

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """Return the sum of both ways.

        Args:
            input: What both take, shape (examples, ...).
        """
        result: torch.Tensor = self.shortcut(input) + self.branch(input)
        return result


class ScalarBias(nn.Module):
    """Adds a number that is learned, 0 at first."""

    def __init__(self) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(1))

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """Apply it."""
        return input + self.bias


class ScalarMultiplier(nn.Module):
    """Multiplies by a number that is learned, 1 at first."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """Apply it."""
        return input * self.scale


def fixup_(model: nn.Module, *, generator: torch.Generator | None = None) -> int:
    """Initialise a residual network by Fixup, in place.

    The last layer of weights of each of the L branches and the classifier, the last of all, are 0; the other layers of
    a branch with m layers are He's by fan_out, as the authors' code has it, times `L^(-1/(2m - 2))`; layers outside
    branches are He's. Each branch gets a multiplier, and every layer of weights and activation in a chain a bias in
    front of it: numbers that are learned. An optimiser must be made afterwards.

    Args:
        model: A network with `Residual` in it.
        generator: Where weights are drawn from; one with seed 0 if there is none.

    Returns:
        L, the number of branches.

    Raises:
        ModelError: If there are no branches, one has no weights, the model has normalisation in it, or Fixup's biases.

    References:
        Zhang, Dauphin & Ma 2019, arXiv:1901.09321, section 3, "Fixup initialization", rules 1 to 3.

    >>> block = Residual(nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4)))
    >>> model = nn.Sequential(nn.Linear(3, 4), block, nn.Linear(4, 2))
    >>> fixup_(model), model(torch.ones(1, 3)).tolist()
    (1, [[0.0, 0.0]])
    """
    branches = [module for module in model.modules() if isinstance(module, Residual)]
    if not branches:
        raise ModelError(f"{type(model).__name__} has no residual branches", "state them as propstats.nn.init.Residual")
    for name, module in model.named_modules():
        if "Norm" in type(module).__name__:
            raise ModelError(f"{name} ({type(module).__name__}) normalises", "Fixup stands in its place: take it out")
        if isinstance(module, ScalarBias):
            raise ModelError(f"{name} is a bias of Fixup: the model was initialised by it before")
    weights = [layers_of(block.branch) for block in branches]
    generator = torch.Generator().manual_seed(0) if generator is None else generator
    initialize_(model, "he_fan_out", generator=generator)
    for layers in weights:
        shrink = len(branches) ** (-1.0 / (2 * len(layers) - 2)) if len(layers) > 1 else 1.0
        with torch.no_grad():
            for layer in layers:
                layer.weight.mul_(shrink)
            layers[-1].weight.zero_()
    with torch.no_grad():
        layers_of(model)[-1].weight.zero_()
    for block in branches:
        block.branch = nn.Sequential(block.branch, ScalarMultiplier())
    for chain in [module for module in model.modules() if is_chain(module)]:
        _add_biases(chain)
    return len(branches)


def _add_biases(chain: Any) -> None:
    """Put a bias in front of each layer of weights and each activation of a chain."""
    parts = list(chain)
    chain._modules.clear()
    for part in parts:
        if isinstance(part, WEIGHTED) or type(part).__name__ in ELEMENTWISE_MODULES:
            chain.append(ScalarBias())
        chain.append(part)
