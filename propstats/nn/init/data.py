"""Weights scaled by what they do to data: forwards to unit variance, or backwards to gradients of unit variance."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from propstats.errors import DataError, DomainError, ModelError
from propstats.nn.init.schemes import WEIGHTED, orthogonal_
from propstats.nn.normprop import NormProp

#: Rounds over the layers: one is enough where activations have no scale of their own.
_ROUNDS = 50


def lsuv_(
    model: nn.Module,
    inputs: torch.Tensor,
    *,
    std: float = 1.0,
    tolerance: float = 0.01,
    orthogonal: bool = True,
    generator: torch.Generator | None = None,
) -> dict[str, float]:
    """Scale each layer of weights so that what it puts out has a given standard deviation on data, in place.

    Layer-sequential unit variance: orthonormal weights first, then layer by layer in the order of the forward pass.

    Args:
        model: The model.
        inputs: A batch of data, shape (examples, ...).
        std: The standard deviation, over examples, units and positions.
        tolerance: How far it may be off, relatively.
        orthogonal: Whether to draw orthonormal weights first, and set biases to 0.
        generator: Where these are drawn from; one with seed 0 if there is none.

    Returns:
        The standard deviation after each layer, by name.

    Raises:
        ModelError: If a layer puts out a constant, NaN or infinity, is a NormProp layer, or does not get there.

    References:
        Mishkin & Matas 2016, arXiv:1511.06422, Algorithm 1.

    >>> model = nn.Sequential(nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 4))
    >>> found = lsuv_(model, torch.randn(64, 8, generator=torch.Generator().manual_seed(0)))
    >>> list(found), all(abs(value - 1) < 0.01 for value in found.values())
    (['0', '2'], True)
    """
    return _scaled(model, inputs, std, tolerance, orthogonal, generator, backward=False)


def lsuv_backward_(
    model: nn.Module,
    inputs: torch.Tensor,
    *,
    std: float = 1.0,
    tolerance: float = 0.01,
    orthogonal: bool = True,
    generator: torch.Generator | None = None,
) -> dict[str, float]:
    """Scale each layer of weights so that the gradient it hands back has a given standard deviation, in place.

    The gradient of the output is `dy ~ N(0, std^2)`, the data are real; layers are scaled from the last to the first,
    again and again where activations have a scale of their own. Signals go their own ways.

    Args:
        model: The model.
        inputs: A batch of data, shape (examples, ...).
        std: The root mean square of gradients, over examples, units and positions.
        tolerance: How far it may be off, relatively.
        orthogonal: Whether to draw orthonormal weights first, and set biases to 0.
        generator: Where these and the gradients are drawn from; one with seed 0 if there is none.

    Returns:
        The root mean square of the gradient in front of each layer, by name.

    Raises:
        ModelError: If a layer hands back zeros, NaN or infinity, is a NormProp layer, or does not get there.
        DataError: If the data are whole numbers, which have no gradients.

    References:
        Wang 2016, "Normalizing All Layers: Back-Propagation": dx of unit standard deviation for each layer.

    >>> model = nn.Sequential(nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 8))
    >>> sizes = lsuv_backward_(model, torch.randn(64, 8, generator=torch.Generator().manual_seed(0)))
    >>> sorted(sizes), all(abs(size - 1) <= 0.01 for size in sizes.values())
    (['0', '2'], True)
    """
    return _scaled(model, inputs, std, tolerance, orthogonal, generator, backward=True)


def _scaled(
    model: nn.Module,
    inputs: torch.Tensor,
    std: float,
    tolerance: float,
    orthogonal: bool,
    generator: torch.Generator | None,
    *,
    backward: bool,
) -> dict[str, float]:
    if not (std > 0.0 and tolerance > 0.0):
        raise DomainError(f"std and tolerance must be positive, got {std:g} and {tolerance:g}")
    if backward and not inputs.is_floating_point():
        raise DataError(f"data of type {inputs.dtype} have no gradients", "give what the first layer of weights gets")
    for name, module in model.named_modules():
        if isinstance(module, NormProp):
            raise ModelError(f"{name or 'the model'} is a NormProp layer: it divides its weights by their length")
    generator = torch.Generator().manual_seed(0) if generator is None else generator
    if orthogonal:
        orthogonal_(model, generator=generator)
    seed = int(torch.randint(2**31, (), generator=generator)) if backward else 0
    layers, found = dict(model.named_modules()), dict[str, float]()
    with _evaluating(model):
        for _ in range(_ROUNDS):
            found = _measured(model, inputs, std, seed, backward=backward)
            if all(abs(value / std - 1.0) <= tolerance for value in found.values()):
                return found
            for name in reversed(found) if backward else found:
                value = _measured(model, inputs, std, seed, backward=backward)[name]
                if not 0.0 < value < float("inf"):
                    what = "hands back" if backward else "puts out"
                    raise ModelError(f"{name or 'the model'} {what} nothing to scale: standard deviation {value:g}")
                with torch.no_grad():
                    layers[name].get_parameter("weight").mul_(std / value)
    worst = max(found, key=lambda name: abs(found[name] / std - 1.0))
    raise ModelError(f"{worst} did not come within {tolerance:g} of {std:g}: {found[worst]:g} after {_ROUNDS} rounds")


def _measured(model: nn.Module, inputs: torch.Tensor, std: float, seed: int, *, backward: bool) -> dict[str, float]:
    """Return the standard deviation after each layer, or the root mean square of the gradient in front of it."""
    found: dict[str, float] = {}
    handles = []

    def after(name: str) -> Any:
        def hook(module: nn.Module, args: Any, output: torch.Tensor) -> None:
            # At once: the next module may work in place.
            found.setdefault(name, float(output.detach().double().std(correction=0)))

        return hook

    def before(name: str) -> Any:
        def hook(module: nn.Module, args: tuple[torch.Tensor, ...]) -> None:
            if name not in found:
                found[name] = float("nan")
                watch: Any = args[0].register_hook
                watch(lambda gradient: found.update({name: _root_mean_square(gradient)}))

        return hook

    for name, module in model.named_modules():
        if isinstance(module, WEIGHTED):
            register = module.register_forward_pre_hook(before(name)) if backward else None
            handles.append(register or module.register_forward_hook(after(name)))
    try:
        with torch.set_grad_enabled(backward):
            # A view, so that a module may work on it in place.
            x = inputs.detach().clone().requires_grad_(backward)
            output = model(x.view_as(x))
            if backward:
                # Drawn on the CPU, so that it is the same wherever the network is.
                direction = torch.randn(output.shape, generator=torch.Generator().manual_seed(seed), dtype=output.dtype)
                torch.autograd.grad(output, x, std * direction.to(output.device))
    finally:
        for handle in handles:
            handle.remove()
    return found


def _root_mean_square(gradient: torch.Tensor) -> float:
    return float(gradient.double().square().mean().sqrt())


@contextmanager
def _evaluating(model: nn.Module) -> Iterator[None]:
    """Put a model into evaluation mode for a while."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training
