"""Networks that tests measure, and what they ask of what was measured."""

import torch
from torch import nn
from torch.nn import functional

from propstats.auditing.measuring.call import Call
from propstats.auditing.measuring.probe import Probe

Tensor = torch.Tensor


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


class Block(nn.Module):
    """A residual block with a sum, an activation that is no module, and changes in place."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, padding=1)
        self.norm = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(self.conv(x))
        y += x
        result: Tensor = self.relu(y)
        return result


class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.stem = nn.Conv2d(3, 4, 3)
        self.a, self.b = Block(4), Block(4)
        self.head = nn.Linear(4, 5)
        self.spare = nn.Linear(2, 2)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        x = functional.relu(self.stem(x))
        x = self.b(self.a(x)).mean((2, 3))
        return {"logits": self.head(x), "features": x}


class Tokens(nn.Module):
    """Embeddings, a transformer, an LSTM, slices, a mask."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.embed = nn.Embedding(20, 8)
        self.place = nn.Parameter(draw(6, 8))
        layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
        self.body = nn.TransformerEncoder(layer, 2)
        self.memory = nn.LSTM(8, 8, batch_first=True)
        self.head = nn.Linear(8, 3)

    def forward(self, ids: Tensor) -> Tensor:
        x = self.body(self.embed(ids) + self.place, src_key_padding_mask=ids == 0)
        q, k, _ = x.chunk(3, dim=1)
        z = q + k
        z[:, 0] = 0
        out, _ = self.memory(x)
        result: Tensor = self.head(out[:, -1]) + self.head(z.mean(1))
        return result


def named(found: Probe) -> dict[tuple[str, int], Call]:
    return {(call.name, call.index): call for call in found.calls}


def untouched(model: nn.Module) -> bool:
    hooks = any(m._forward_hooks or m._forward_pre_hooks or m._backward_hooks for m in model.modules())
    return not hooks and not torch.overrides.has_torch_function((torch.zeros(1),))
