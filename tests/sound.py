"""Networks in which signal survives, as people build them: the judge has nothing to say about them."""

import math
from collections.abc import Callable
from typing import Final

import torch
from networks import mlp
from torch import nn

from propstats.auditing.data.load import load_data


def _gaussian(model: nn.Module, generator: torch.Generator, gain: float) -> None:
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, nn.Linear | nn.Conv2d):
                fan_in = module.weight[0].numel()
                module.weight.normal_(0.0, gain / math.sqrt(fan_in), generator=generator)
                if module.bias is not None:
                    module.bias.zero_()


def he_relu(seed: int, depth: int) -> nn.Module:
    """He et al. 2015."""
    return mlp("relu", depth=depth, critical=True, seed=seed)


def critical_tanh(seed: int, depth: int) -> nn.Module:
    """LeCun's tanh network, at the edge of chaos."""
    return mlp("tanh", depth=depth, critical=True, seed=seed)


def selu(seed: int, depth: int) -> nn.Module:
    """Klambauer et al. 2017: weights of variance 1/fan_in."""
    layers: list[nn.Module] = [nn.Flatten()]
    for fan_in in [64, *[128] * (depth - 2)]:
        layers += [nn.Linear(fan_in, 128), nn.SELU()]
    model = nn.Sequential(*layers, nn.Linear(128, 10))
    _gaussian(model, torch.Generator().manual_seed(seed), 1.0)
    return model


class Block(nn.Module):
    """A residual block with batch norm (He et al. 2016)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width)
        self.conv2, self.bn2 = nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width)
        self.act = nn.ReLU()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.bn2(self.conv2(self.act(self.bn1(self.conv1(x)))))
        return torch.relu(x + y)


def resnet(seed: int, depth: int) -> nn.Module:
    """A ResNet whose running statistics are those of the data."""
    width = 16
    stem = [nn.Conv2d(1, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
    blocks = [Block(width) for _ in range(max(1, (depth - 2) // 2))]
    model = nn.Sequential(*stem, *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, 10))
    _gaussian(model, torch.Generator().manual_seed(seed), math.sqrt(2.0))
    images = load_data("digits").inputs
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None  # a plain average
    with torch.no_grad():
        for start in range(0, len(images), 600):
            model.train()(images[start : start + 600])
    return model.eval()


class PreNorm(nn.Module):
    """A pre-LN transformer layer (Xiong et al. 2020), written out."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down, self.act = nn.Linear(width, 4 * width), nn.Linear(4 * width, width), nn.GELU()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        batch, tokens, width = x.shape
        q, k, v = self.qkv(self.norm1(x)).reshape(batch, tokens, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        mixed = nn.functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(batch, tokens, width)
        x = x + self.out(mixed)
        y: torch.Tensor = x + self.down(self.act(self.up(self.norm2(x))))
        return y


class Transformer(nn.Module):
    """Rows of an image as tokens."""

    def __init__(self, depth: int, width: int = 32) -> None:
        super().__init__()
        self.embed, self.norm, self.head = nn.Linear(8, width), nn.LayerNorm(width), nn.Linear(width, 10)
        self.layers = nn.ModuleList(PreNorm(width, 4) for _ in range(depth))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.embed(x.squeeze(1))
        for layer in self.layers:
            x = layer(x)
        y: torch.Tensor = self.head(self.norm(x).mean(dim=1))
        return y


def transformer(seed: int, depth: int) -> nn.Module:
    """Linear layers of variance 1/fan_in."""
    model = Transformer(max(1, depth // 4))
    _gaussian(model, torch.Generator().manual_seed(seed), 1.0)
    return model


SOUND: Final[dict[str, Callable[[int, int], nn.Module]]] = {
    "he-relu": he_relu,
    "critical-tanh": critical_tanh,
    "selu": selu,
    "resnet": resnet,
    "pre-norm transformer": transformer,
}
