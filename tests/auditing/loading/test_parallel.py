"""Networks saved inside of nn.DataParallel run without it, and without the GPUs of the machine that saved them."""

from pathlib import Path

import pytest
import torch
from model_files import Evil
from torch import nn

from propstats.auditing.loading.load import load_model
from propstats.errors import ModelError


def on_gpus(network: nn.Module) -> nn.DataParallel[nn.Module]:
    """Return what DataParallel is on a machine with two GPUs."""
    wrapped = nn.DataParallel(network)
    wrapped.device_ids, wrapped.output_device = [0, 1], 0
    wrapped.dim, wrapped.src_device_obj = 0, torch.device("cuda", 0)
    return wrapped


def test_taken_off_everywhere(tmp_path: Path) -> None:
    layers = nn.Sequential(nn.Linear(4, 3), nn.ReLU())
    network = nn.Sequential(layers, nn.Linear(3, 2))
    expected = network(torch.ones(1, 4))
    network[0] = on_gpus(layers)
    torch.save(on_gpus(network), tmp_path / "m.pt")
    loaded = load_model(tmp_path / "m.pt")
    assert not any(isinstance(part, nn.DataParallel) for part in loaded.model.modules())
    assert torch.equal(loaded.model(torch.ones(1, 4)), expected)
    assert loaded.info.tier == "safe"


def test_one_without_a_network(tmp_path: Path) -> None:
    wrapped = nn.DataParallel(nn.ReLU())
    del wrapped._modules["module"]
    torch.save(wrapped, tmp_path / "m.pt")
    with pytest.raises(ModelError):
        load_model(tmp_path / "m.pt")
    torch.save(Evil(nn.DataParallel.__new__, nn.DataParallel), tmp_path / "e.pt")
    with pytest.raises(ModelError):
        load_model(tmp_path / "e.pt")
