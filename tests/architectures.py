"""Networks as people write them: small, with random weights, and functions where others have modules."""

import math

import torch
from torch import nn
from torch.nn import functional


class Residual(nn.Module):
    """Convolutions with batch norm in residual blocks, functional activations, an adaptive pool."""

    def __init__(self, width: int = 48) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, width, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(width)
        self.layers = nn.ModuleList([_Block(width, width), _Block(width, 2 * width, 2), _Block(2 * width, 2 * width)])
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(2 * width, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = functional.relu(self.norm(self.stem(x)))
        for layer in self.layers:
            x = layer(x)
        result: torch.Tensor = self.fc(torch.flatten(self.pool(x), 1))
        return result


class _Block(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1, self.bn2 = nn.BatchNorm2d(outputs), nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.down = nn.Identity() if stride == 1 else nn.Conv2d(inputs, outputs, 1, stride, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = functional.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        y += self.down(x)
        return functional.relu(y)


def vgg() -> nn.Module:
    """Convolutions and max pools, then fully connected layers."""
    return nn.Sequential(
        nn.Conv2d(3, 48, 3, padding=1), nn.ReLU(inplace=True), nn.Conv2d(48, 48, 3, padding=1), nn.ReLU(inplace=True),
        nn.MaxPool2d(2), nn.Conv2d(48, 96, 3, padding=1), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, 1), nn.Flatten(),
        nn.Linear(864, 64), nn.ReLU(inplace=True), nn.Dropout(0.5), nn.Linear(64, 10),
    )  # fmt: skip


def nin() -> nn.Module:
    """Network in network: 1x1 convolutions, overlapping pools of both kinds, a global average at the end."""
    return nn.Sequential(
        nn.Conv2d(3, 64, 5, padding=2), nn.ReLU(), nn.Conv2d(64, 48, 1), nn.ReLU(), nn.MaxPool2d(3, 2, ceil_mode=True),
        nn.Conv2d(48, 64, 3, padding=1), nn.ReLU(), nn.Conv2d(64, 64, 1), nn.ReLU(), nn.AvgPool2d(3, 2, 1),
        nn.Conv2d(64, 10, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
    )  # fmt: skip


class Encoder(nn.Module):
    """A transformer on patches: positions that are learned, torch's encoder layers, the mean over tokens."""

    def __init__(self, norm_first: bool = True) -> None:
        super().__init__()
        self.embed = nn.Conv2d(3, 64, 4, 4)
        self.position = nn.Parameter(0.02 * torch.randn(1, 9, 64))
        # One by one: nn.TransformerEncoder copies its layer with its weights, and equal branches correlate.
        self.layers = nn.Sequential(
            *(
                nn.TransformerEncoderLayer(64, 4, 128, 0.1, "gelu", batch_first=True, norm_first=norm_first)
                for _ in range(2)
            )
        )
        self.head = nn.Linear(64, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.embed(x).flatten(2).transpose(1, 2) + self.position
        result: torch.Tensor = self.head(self.layers(x).mean(dim=1))
        return result


class Attention(nn.Module):
    """Attention written with the function, and a class token."""

    def __init__(self, units: int = 64, heads: int = 4) -> None:
        super().__init__()
        self.heads, self.embed = heads, nn.Linear(12, units)
        self.token = nn.Parameter(torch.randn(1, 1, units))
        self.norm, self.qkv, self.out = nn.LayerNorm(units), nn.Linear(units, 3 * units), nn.Linear(units, units)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.cat([self.token.expand(len(x), -1, -1), self.embed(x)], dim=1)
        n, t, d = x.shape
        parts = self.qkv(self.norm(x)).view(n, t, 3, self.heads, d // self.heads).permute(2, 0, 3, 1, 4)
        mixed = functional.scaled_dot_product_attention(parts[0], parts[1], parts[2])
        x = x + self.out(mixed.transpose(1, 2).reshape(n, t, d))
        return x[:, 0]


class Mixer(nn.Module):
    """Layers that mix tokens and layers that mix channels."""

    def __init__(self, tokens: int = 16, units: int = 64) -> None:
        super().__init__()
        self.embed = nn.Linear(12, units)
        self.norm1, self.norm2 = nn.LayerNorm(units), nn.LayerNorm(units)
        self.token1, self.token2 = nn.Linear(tokens, 64), nn.Linear(64, tokens)
        self.channel1, self.channel2 = nn.Linear(units, 128), nn.Linear(128, units)
        self.head = nn.Linear(units, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.embed(x)
        y = self.token2(functional.gelu(self.token1(self.norm1(x).transpose(1, 2)))).transpose(1, 2)
        x = x + y
        x = x + self.channel2(functional.gelu(self.channel1(self.norm2(x))))
        result: torch.Tensor = self.head(x.mean(1))
        return result


class UNet(nn.Module):
    """Down, up by a transposed convolution, and the way around beside it."""

    def __init__(self, width: int = 48) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, width, 3, padding=1)
        self.down = nn.Conv2d(width, 2 * width, 3, padding=1)
        self.up = nn.ConvTranspose2d(2 * width, width, 2, 2)
        self.last = nn.Conv2d(2 * width, width, 3, padding=1)
        self.out = nn.Conv2d(width, 2, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        one = torch.relu(self.first(x))
        two = functional.relu(self.down(functional.max_pool2d(one, 2)))
        x = torch.cat([self.up(two), one], dim=1)
        result: torch.Tensor = self.out(functional.relu(self.last(x)))
        return result


class Recurrent(nn.Module):
    """An LSTM and a linear layer on its last state."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm, self.head = nn.LSTM(12, 32, batch_first=True), nn.Linear(32, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        states, _ = self.lstm(x)
        result: torch.Tensor = self.head(states[:, -1])
        return result


class Functional(nn.Module):
    """Parameters used with functions: no layer is a module."""

    def __init__(self) -> None:
        super().__init__()
        self.kernel = nn.Parameter(0.2 * torch.randn(48, 3, 3, 3))
        self.rows = nn.Parameter(0.05 * torch.randn(64, 48 * 36))
        self.scale = nn.Parameter(1.0 + 0.1 * torch.randn(64))
        self.matrix = nn.Parameter(0.1 * torch.randn(64, 10))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = functional.leaky_relu(functional.conv2d(x, self.kernel, padding=1), 0.1)
        x = functional.avg_pool2d(x, 2)
        x = torch.tanh(functional.linear(x.flatten(1), self.rows)) * self.scale
        return (2.0 * x - 0.5) @ self.matrix


class Gpt(nn.Module):
    """A causal transformer of tokens, as people write it: attention in full, or by torch's function.

    Args:
        written: Whether attention is written out.
        last: Whether the last token alone is read.
    """

    def __init__(self, *, written: bool = True, last: bool = False, width: int = 64, tokens: int = 16) -> None:
        super().__init__()
        self.last = last
        self.wte, self.wpe = nn.Embedding(50, width), nn.Embedding(tokens, width)
        self.blocks = nn.ModuleList(_GptBlock(width, 4, tokens, written) for _ in range(2))
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, 50, bias=False)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        x = self.wte(tokens) + self.wpe(torch.arange(tokens.shape[1]))
        for block in self.blocks:
            x = block(x)
        x = self.norm(x)
        result: torch.Tensor = self.head(x[:, -1] if self.last else x)
        return result


class _GptBlock(nn.Module):
    def __init__(self, width: int, heads: int, tokens: int, written: bool) -> None:
        super().__init__()
        self.heads, self.written = heads, written
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.feed = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))
        self.dropout = nn.Dropout(0.1)
        self.register_buffer("mask", torch.tril(torch.ones(1, 1, tokens, tokens)))

    def attend(self, x: torch.Tensor) -> torch.Tensor:
        samples, tokens, width = x.shape
        split = (part.view(samples, tokens, self.heads, -1).transpose(1, 2) for part in self.qkv(x).split(width, dim=2))
        query, key, value = split
        if self.written:
            logits = (query @ key.transpose(-2, -1)) / math.sqrt(key.shape[-1])
            mask = self.get_buffer("mask")[:, :, :tokens, :tokens]
            weights = functional.softmax(logits.masked_fill(mask == 0, -math.inf), dim=-1)
            mixed = self.dropout(weights) @ value
        else:
            mixed = functional.scaled_dot_product_attention(query, key, value, is_causal=True)
        result: torch.Tensor = self.out(mixed.transpose(1, 2).contiguous().view(samples, tokens, width))
        return result

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x + self.attend(self.norm1(x))
        result: torch.Tensor = x + self.feed(self.norm2(x))
        return result
