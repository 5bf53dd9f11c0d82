"""Layer-wise pre-training: each layer starts as the encoder of an autoencoder of what it receives."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from propstats.activations.conversion.torch_modules import ELEMENTWISE_MODULES
from propstats.errors import DataError, ModelError
from propstats.nn.init.schemes import WEIGHTED, glorot_
from propstats.nn.plain import along, geometry_of

_BACK = {nn.Conv1d: nn.ConvTranspose1d, nn.Conv2d: nn.ConvTranspose2d, nn.Conv3d: nn.ConvTranspose3d}


@dataclass(frozen=True, slots=True)
class Pretrained:
    """What became of one layer.

    Args:
        name: Its name.
        before: Mean squared error of the reconstruction before training, by the variance of what is reconstructed.
        after: The same after training.
        is_bottleneck: Whether the layer has fewer outputs than inputs, so that the identity is no way out.
    """

    name: str
    before: float
    after: float
    is_bottleneck: bool


def pretrain_(
    model: nn.Module,
    inputs: torch.Tensor,
    *,
    steps: int = 200,
    batch: int = 64,
    learning_rate: float = 1e-3,
    generator: torch.Generator | None = None,
) -> list[Pretrained]:
    """Train each layer of weights but the last, one after the other, to keep what its input says, in place.

    A layer, the activation behind it and a linear decoder are trained to give back the layer's input; the decoder is
    dropped, and what the layer now makes of the data is the input of the next.

    Args:
        model: Nested `nn.Sequential`s.
        inputs: The data, shape (examples, ...).
        steps: Steps of Adam for each layer.
        batch: Examples in a step.
        learning_rate: Of Adam.
        generator: Where decoders and batches are drawn from; one with seed 0 if there is none.

    Returns:
        What became of each layer, in order.

    Raises:
        ModelError: If the model is no chain, has a single layer of weights, or one that has no decoder.
        DataError: If there are no examples.

    References:
        Bengio et al. 2007, "Greedy layer-wise training of deep networks".

    >>> model = nn.Sequential(nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 2))
    >>> [layer.name for layer in pretrain_(model, torch.eye(4), steps=1, batch=4)]  # all but the last
    ['0']
    """
    parts = list(along(model))
    for name, part in parts:
        if not isinstance(part, WEIGHTED) and any(part.children()):
            raise ModelError(f"{name or 'the model'} ({type(part).__name__}) is no chain of layers")
    weighted = [k for k, (_, part) in enumerate(parts) if isinstance(part, WEIGHTED)]
    if len(weighted) < 2:
        raise ModelError("there is nothing to pre-train", "it takes a layer of weights before the last one")
    if len(inputs) == 0:
        raise DataError("there are no examples to pre-train on")
    generator = torch.Generator().manual_seed(0) if generator is None else generator
    found, x = [], inputs.detach()
    for k, (name, layer) in enumerate(parts[: weighted[-1]]):
        if k in weighted:
            behind = parts[k + 1][1]
            act = behind if type(behind).__name__ in ELEMENTWISE_MODULES else nn.Identity()
            found.append(_trained(name, layer, act, x, steps, batch, learning_rate, generator))
        with torch.no_grad():
            x = layer(x)
    return found


def _trained(
    name: str,
    layer: nn.Module,
    act: nn.Module,
    x: torch.Tensor,
    steps: int,
    batch: int,
    learning_rate: float,
    generator: torch.Generator,
) -> Pretrained:
    decoder = _decoder(name, layer, x)
    glorot_(decoder, generator=generator)
    encoder = nn.Sequential(layer, act)
    size = list(x.shape[2:])
    conv = not isinstance(layer, nn.Linear)

    def loss(some: torch.Tensor) -> torch.Tensor:
        code = encoder(some)
        return functional.mse_loss(decoder(code, size) if conv else decoder(code), some)

    with torch.no_grad():
        scale = float(x.double().var(correction=0))
        before = float(loss(x))
        outputs = encoder(x[:1]).numel()
    optimizer = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()], lr=learning_rate)
    for _ in range(steps):
        chosen = torch.randint(len(x), (min(batch, len(x)),), generator=generator)
        optimizer.zero_grad()
        torch.autograd.backward(loss(x[chosen]))
        optimizer.step()
    with torch.no_grad():
        after = float(loss(x))
    optimizer.zero_grad()
    relative = 1.0 / scale if scale > 0.0 else 1.0
    return Pretrained(name, before * relative, after * relative, outputs < x[:1].numel())


def _decoder(name: str, layer: Any, x: torch.Tensor) -> nn.Module:
    """Return a layer that leads back, without drawing from torch's global generator."""
    like: dict[str, Any] = {"device": "meta", "dtype": x.dtype}
    if isinstance(layer, nn.Linear):
        return nn.Linear(layer.out_features, layer.in_features, **like).to_empty(device=x.device)
    kind = next((back for own, back in _BACK.items() if isinstance(layer, own)), None)
    if kind is None or layer.padding_mode != "zeros" or isinstance(layer.padding, str):
        why = "transposed convolutions, and padding that is not a number of zeros, have no decoder here"
        raise ModelError(f"{name} ({type(layer).__name__}) cannot be pre-trained: {why}")
    geometry = geometry_of(layer)
    geometry["in_channels"], geometry["out_channels"] = layer.out_channels, layer.in_channels
    decoder: nn.Module = kind(**geometry, **like)
    return decoder.to_empty(device=x.device)
