"""Models, weights and files of them that tests load, and how to tamper with them."""

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
