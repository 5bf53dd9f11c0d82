"""The constraint on rows of weights, by itself and after each step of an optimiser."""

import pytest
import torch
from torch import nn

from propstats.errors import ModelError
from propstats.nn import NormPropConv2d, NormPropLinear, constrain_rows, normalize_rows_
from propstats.nn.rows import row_lengths


def test_the_constraint_leaves_the_function_and_zeros() -> None:
    model = nn.Sequential(NormPropConv2d(3, 4, 3), nn.Flatten(), NormPropLinear(16, 5), nn.Linear(5, 2))
    conv = model[0]
    assert isinstance(conv, NormPropConv2d)
    with torch.no_grad():
        conv.weight[1] = 0.0
        conv.weight[2] *= 7.0
    x, plain = torch.randn(2, 3, 4, 4), model[3].get_parameter("weight").detach().clone()
    before = model(x)
    normalize_rows_(model)
    torch.testing.assert_close(model(x), before)
    assert torch.equal(model[3].get_parameter("weight"), plain)
    lengths = conv.weight.detach().flatten(1).norm(dim=1)
    assert lengths[1] == 0.0
    torch.testing.assert_close(lengths[[0, 2, 3]], torch.ones(3))
    torch.testing.assert_close(row_lengths(conv), torch.ones(4))


def test_the_optimiser_keeps_the_constraint_until_told_otherwise() -> None:
    layer = NormPropLinear(8, 4)
    optimizer = torch.optim.SGD(layer.parameters(), lr=1.0, momentum=0.9)
    handle = constrain_rows(optimizer, layer)

    def step() -> float:
        optimizer.zero_grad()
        layer(torch.randn(5, 8)).square().sum().backward()
        optimizer.step()
        return float((layer.weight.detach().norm(dim=1) - 1).abs().max())

    assert step() < 1e-6
    handle.remove()
    assert step() > 1e-3
    with pytest.raises(ModelError, match="no NormProp layers"):
        constrain_rows(optimizer, nn.Linear(2, 2))
