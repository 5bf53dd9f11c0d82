"""Modules that torch would not have built, as a pickle can make them."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from refusals import refused
from torch import nn

from propstats.auditing.loading.validate import check_module
from propstats.errors import ModelError


def spoil_cycle(model: nn.Sequential) -> None:
    model._modules["0"] = nn.Sequential(model)


def spoil_part(model: nn.Sequential) -> None:
    model._modules["0"] = {"not": "a module"}  # type: ignore[assignment]


def spoil_depth(model: nn.Sequential) -> None:
    inner: nn.Module = nn.ReLU()
    for _ in range(150):
        inner = nn.Sequential(inner)
    model._modules["0"] = inner


def spoil_width(model: nn.Sequential) -> None:
    inner: nn.Module = nn.ReLU()
    for _ in range(30):
        inner = nn.Sequential(inner, inner)
    model._modules["0"] = inner


def spoil_entry(model: nn.Sequential) -> None:
    del model[1].__dict__["_buffers"]


def spoil_kind(model: nn.Sequential) -> None:
    model[1].__dict__["_parameters"] = [1]


def spoil_mode(model: nn.Sequential) -> None:
    model[1].__dict__["training"] = "yes"


def spoil_hook(model: nn.Sequential) -> None:
    model[1].register_forward_hook(nn.functional.relu)  # type: ignore[arg-type]


def spoil_method(model: nn.Sequential) -> None:
    model[1].__dict__["forward"] = "text"


def spoil_callable(model: nn.Sequential) -> None:
    model[1].__dict__["activation"] = nn.Tanh()


def spoil_stride(model: nn.Sequential) -> None:
    model[1].weight = nn.Parameter(torch.ones(1).expand(2**20, 2**20))


def spoil_hidden_stride(model: nn.Sequential) -> None:
    model[1].__dict__["cache"] = [{"a": torch.ones(1).expand(2**20, 2**20)}]


def spoil_meta(model: nn.Sequential) -> None:
    model[1].to("meta")


def spoil_parameter(model: nn.Sequential) -> None:
    model[1]._parameters["weight"] = torch.ones(2, 2)  # type: ignore[assignment]


def spoil_buffer(model: nn.Sequential) -> None:
    model[1]._buffers["scale"] = 3.0  # type: ignore[assignment]


def spoil_sparse(model: nn.Sequential) -> None:
    model[1].register_buffer("mask", torch.eye(2).to_sparse())


@pytest.mark.parametrize(
    ("spoil", "word"),
    [
        (spoil_cycle, "contains itself"),
        (spoil_part, "type dict, not a module"),
        (spoil_depth, "nest beyond"),
        (spoil_width, "nest beyond"),
        (spoil_entry, "lacks its _buffers"),
        (spoil_kind, "its _parameters is a list"),
        (spoil_mode, "its training is a str"),
        (spoil_hook, "hooks"),
        (spoil_method, "hides a method"),
        (spoil_callable, "which can be called"),
        (spoil_stride, "4,398,046,511,104 bytes, 4 are there"),
        (spoil_hidden_stride, "4,398,046,511,104 bytes, 4 are there"),
        (spoil_meta, "meta device"),
        (spoil_parameter, "weight is a Tensor, not a Parameter"),
        (spoil_buffer, "scale is a float, not a Tensor"),
        (spoil_sparse, "sparse"),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
def test_spoilt_modules(tmp_path: Path, spoil: Callable[[nn.Sequential], None], word: str) -> None:
    model = nn.Sequential(nn.Tanh(), nn.Linear(2, 2))
    spoil(model)
    torch.save(model, tmp_path / "m.pt")
    refused(tmp_path / "m.pt", word, unsafe=False)


def test_names_and_keys_that_torch_forbids(tmp_path: Path) -> None:
    for key in ("a.b", "", 3):
        model = nn.Sequential()
        model._modules[key] = nn.ReLU()  # type: ignore[index]
        with pytest.raises(ModelError, match="has a part"):
            check_module(model, name="m")
