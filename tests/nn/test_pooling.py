"""Pooling with its own constants against simulation."""

import math

import pytest
import torch
from torch import nn

from propstats.errors import DomainError
from propstats.nn import NormPropConv2d, NormPropPool


@pytest.mark.parametrize("pooling", [nn.MaxPool2d(2), nn.AvgPool2d(3), nn.MaxPool2d((1, 3))], ids=str)
@pytest.mark.parametrize("name", ["relu", "identity"])
def test_independent_units_come_out_canonical(pooling: nn.Module, name: str) -> None:
    generator = torch.Generator().manual_seed(0)
    layer = NormPropConv2d(8, 1, 1, activation=name, gamma=1.0, generator=generator)
    y = NormPropPool(pooling, name)(layer(torch.randn(400, 8, 12, 12, generator=generator))).detach().double()
    count, fourth = y.numel(), float((y - y.mean()).pow(4).mean())
    assert abs(float(y.mean())) <= 5 / math.sqrt(count)
    assert abs(float(y.var()) - 1.0) <= 5 * math.sqrt((fourth - 1.0) / count)


def test_with_full_correlation_it_is_the_paper_s() -> None:
    found = NormPropPool(nn.MaxPool2d(3, 2, 1), correlation=1.0)
    assert found.mean == pytest.approx(0.0, abs=1e-12)
    assert found.std == pytest.approx(1.0, abs=1e-12)


def test_the_layer_before_may_have_gamma_and_beta() -> None:
    generator = torch.Generator().manual_seed(0)
    layer = NormPropConv2d(8, 1, 1, gamma=0.7, beta=0.3, generator=generator)
    y = NormPropPool(nn.MaxPool2d(2), gamma=0.7, beta=0.3)(layer(torch.randn(400, 8, 8, 8, generator=generator)))
    assert abs(float(y.detach().double().mean())) <= 5 / math.sqrt(y.numel())


def test_refusals() -> None:
    with pytest.raises(DomainError, match="LPPool2d after relu"):
        NormPropPool(nn.LPPool2d(2, 2))
    with pytest.raises(DomainError, match="after gelu"):
        NormPropPool(nn.MaxPool1d(2), "gelu")
