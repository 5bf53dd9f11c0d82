"""Models, weights and files of them that tests load, and how to tamper with them."""

import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn


class Evil:
    """Runs a function when it is unpickled."""

    def __init__(self, function: Callable[..., object], *arguments: object) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> Any:
        return self.call


def small() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 4, 3),
        nn.BatchNorm2d(4),
        nn.GELU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(36, 8),
        nn.Tanh(),
        nn.Dropout(),
        nn.LayerNorm(8),
        nn.Linear(8, 2),
    )


ARCH_SOURCE = """
import sys
from torch import nn
print("hello from the user's module")
def make():
    return nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
def tied():
    model = nn.Sequential(*make(), nn.ReLU(), nn.Linear(3, 4))
    model[4].weight = model[0].weight
    return model
def sized(width):
    return nn.Sequential(nn.Linear(3, width), nn.ReLU(), nn.Linear(width, 2))
def wrapped():
    return nn.ModuleDict({"module": make()})
def broken():
    raise RuntimeError("first\\nsecond")
def quits():
    sys.exit("enough")
def number():
    return 3
def meta():
    return nn.Linear(2, 2, device="meta")
def wide():
    return nn.Sequential(nn.Linear(3, 5), nn.ReLU(), nn.Linear(5, 2), nn.Linear(2, 2))
ready = nn.Linear(2, 2)
class Space:
    make = staticmethod(make)
"""


def weights() -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2)).state_dict()


def rezip(path: Path, change: Callable[[bytes], bytes], *, entry: str = "data.pkl") -> Path:
    with zipfile.ZipFile(path) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in content.items():
            archive.writestr(name, change(data) if name.endswith(f"/{entry}") else data)
    return path


class Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm, self.linear, self.act = nn.LayerNorm(width), nn.Linear(width, width), nn.GELU("tanh")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        branch: torch.Tensor = self.act(self.linear(self.norm(x)))
        return x + branch


class Residual(nn.Module):
    """A network with most of what exported graphs hold: layers, functions, a sum, a layer used twice."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.norm = nn.Conv2d(1, 4, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(4)
        self.blocks = nn.Sequential(Block(64), Block(64))
        self.pool = nn.MaxPool2d(3, stride=1, padding=1, ceil_mode=True)
        self.head, self.scale = nn.Linear(64, 5), nn.Parameter(torch.tensor(0.5))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.pool(torch.relu(self.norm(self.stem(x)))).flatten(1)
        mask = torch.ones(64)
        mask[3:9] = 0.0  # nothing uses what an assignment returns
        y = y * mask
        y = self.blocks[0](self.blocks(y)) * self.scale
        found: torch.Tensor = self.head(y)
        return found


def residual() -> nn.Module:
    torch.manual_seed(0)
    model = Residual()
    model(torch.randn(16, 1, 8, 8))  # statistics of its own
    return model.eval()


def save_exported(path: Path) -> nn.Module:
    model = residual()
    batch = ({0: torch.export.Dim("batch", min=1)},)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        exported = torch.export.export(model, (torch.randn(4, 1, 8, 8),), dynamic_shapes=batch)
        torch.export.save(exported, path.with_suffix(".pt2"))
    path.with_suffix(".pt2").rename(path)
    return model


class Writer(nn.Module):
    """Writes a file when it runs."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self.path = path

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.from_file(self.path, True, 8) + x


def save_scripted(path: Path, model: nn.Module | None = None, *, traced: bool = False) -> nn.Module:
    model = model or residual()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        script: Any = torch.jit
        script = script.trace(model, torch.randn(4, 1, 8, 8)) if traced else script.script(model)
        torch.jit.save(script, str(path))
    return model
