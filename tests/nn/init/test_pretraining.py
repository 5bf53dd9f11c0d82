"""Layer-wise pre-training."""

import pytest
import torch
from torch import nn

from propstats.errors import DataError, ModelError
from propstats.nn import NormPropLinear
from propstats.nn.init import pretrain_


def test_layers_learn_to_keep_their_input() -> None:
    generator = torch.Generator().manual_seed(0)
    # Data of three dimensions in twelve: what a bottleneck of six can keep.
    data = torch.randn(400, 3, generator=generator) @ torch.randn(3, 12, generator=generator)
    model = nn.Sequential(nn.Sequential(nn.Linear(12, 6), nn.Tanh()), NormPropLinear(6, 8), nn.Linear(8, 2))
    last, state = model[2].get_parameter("weight").detach().clone(), torch.get_rng_state()
    found = pretrain_(model, data, steps=300, learning_rate=0.01, generator=generator)
    assert [record.name for record in found] == ["0.0", "1"]
    assert [record.is_bottleneck for record in found] == [True, False]
    assert all(record.after < 0.25 * record.before for record in found)
    assert found[0].after < 0.2
    assert torch.equal(model[2].get_parameter("weight"), last)
    assert torch.equal(torch.get_rng_state(), state)
    assert all(parameter.grad is None for parameter in model.parameters())


def test_convolutions_with_strides() -> None:
    generator = torch.Generator().manual_seed(0)
    data = torch.randn(64, 1, 8, 7, generator=generator).cumsum(dim=-1)
    model = nn.Sequential(
        nn.Conv2d(1, 4, 3, stride=2, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(16, 2)
    )  # fmt: skip
    weights = []
    for _ in range(2):
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.fill_(0.1)
        (record,) = pretrain_(model, data, steps=60, learning_rate=0.01)
        weights.append(model[0].get_parameter("weight").detach().clone())
        assert record.after < record.before
    assert torch.equal(weights[0], weights[1])


def test_refusals() -> None:
    x = torch.randn(4, 3)
    with pytest.raises(DataError, match="no examples"):
        pretrain_(nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 1)), x[:0])
    with pytest.raises(ModelError, match="nothing to pre-train"):
        pretrain_(nn.Sequential(nn.Linear(3, 3)), x)
    with pytest.raises(ModelError, match=r"1 .TransformerEncoderLayer. is no chain"):
        pretrain_(nn.Sequential(nn.Linear(3, 4), nn.TransformerEncoderLayer(4, 1, 4), nn.Linear(4, 2)), x)
    with pytest.raises(ModelError, match=r"0 .Conv1d. cannot be pre-trained"):
        pretrain_(nn.Sequential(nn.Conv1d(3, 3, 3, padding="same"), nn.ReLU(), nn.Conv1d(3, 3, 1)), x[..., None])
