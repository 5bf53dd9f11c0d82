"""Networks that tests audit: the sound and the sick."""

import math

import torch
from torch import nn

from propstats.activations import activation
from propstats.theory.mean_field.critical import critical_point

_MODULES: dict[str, type[nn.Module]] = {"relu": nn.ReLU, "tanh": nn.Tanh, "gelu": nn.GELU, "sigmoid": nn.Sigmoid}


def mlp(act: str, *, depth: int = 20, width: int = 128, critical: bool = False, seed: int = 0) -> nn.Sequential:
    """Build a fully connected network for 8x8 images, with torch's default weights or at the edge of chaos."""
    generator = torch.Generator().manual_seed(seed)
    layers: list[nn.Module] = [nn.Flatten()]
    for fan_in in [64, *[width] * (depth - 2)]:
        layers += [nn.Linear(fan_in, width), _MODULES[act]()]
    layers.append(nn.Linear(width, 10))
    scale = critical_point(activation(act)) if critical else None
    with torch.no_grad():
        for layer in layers:
            if isinstance(layer, nn.Linear):
                root = math.sqrt(layer.in_features)
                if scale is None:
                    layer.weight.uniform_(-1 / root, 1 / root, generator=generator)
                    layer.bias.uniform_(-1 / root, 1 / root, generator=generator)
                else:
                    layer.weight.normal_(0, scale.sigma_w / root, generator=generator)
                    layer.bias.normal_(0, scale.sigma_b, generator=generator)
    return nn.Sequential(*layers)
