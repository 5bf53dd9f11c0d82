"""Normalisation of data."""

import math

import pytest
import torch
from torch import nn

from propstats.errors import DataError
from propstats.nn import BatchNormalization, GlobalNormalization


def test_global_normalisation_does_not_depend_on_batches() -> None:
    data = torch.randn(101, 3, 4, generator=torch.Generator().manual_seed(0)) * 5 + 1e4
    whole = GlobalNormalization.of(data)
    pieces = GlobalNormalization.of(iter(torch.split(data, 7)))
    torch.testing.assert_close(whole.mean, pieces.mean, rtol=1e-6, atol=0)
    torch.testing.assert_close(whole.std, pieces.std, rtol=1e-6, atol=0)
    y = whole.double()(data.double())
    # Mean and deviation were rounded to single precision, next to 1e4.
    eps = torch.finfo(torch.float32).eps
    assert float(y.mean(dim=0).abs().max()) <= eps * 1e4
    torch.testing.assert_close(y.std(dim=0, correction=0), torch.ones(3, 4).double(), rtol=0, atol=2 * eps)
    assert GlobalNormalization.of(torch.ones(4, 2))(torch.ones(4, 2)).eq(0).all()
    assert GlobalNormalization.of(torch.tensor([[0], [4]], dtype=torch.uint8)).std.item() == 2.0


def test_global_normalisation_is_in_the_checkpoint() -> None:
    layer = GlobalNormalization.of(torch.randn(10, 3))
    other = GlobalNormalization(torch.zeros(3), torch.ones(3))
    other.load_state_dict(layer.state_dict())
    x = torch.randn(2, 3)
    assert torch.equal(layer(x), other(x))


def test_refusals() -> None:
    with pytest.raises(DataError, match="no data"):
        GlobalNormalization.of([])
    with pytest.raises(DataError, match=r"shapes \(3,\) and \(4,\)"):
        GlobalNormalization.of([torch.zeros(2, 3), torch.zeros(2, 4)])
    with pytest.raises(DataError, match="finite"):
        GlobalNormalization.of(torch.tensor([[1.0], [math.nan]]))
    with pytest.raises(DataError, match="one shape"):
        GlobalNormalization(torch.zeros(2), torch.ones(3))
    with pytest.raises(DataError, match="no variance"):
        BatchNormalization(2)(torch.zeros(1, 2))


def test_batch_normalisation_is_that_of_torch_on_each_element() -> None:
    layer, judge = BatchNormalization(2, 3, momentum=0.2), nn.BatchNorm1d(6, momentum=0.2, affine=False)
    for seed in range(3):
        x = torch.randn(5, 2, 3, generator=torch.Generator().manual_seed(seed)) * 3 + 1
        torch.testing.assert_close(layer(x), judge(x.flatten(1)).view(5, 2, 3))
    layer.eval()
    judge.eval()
    x = torch.randn(1, 2, 3)
    torch.testing.assert_close(layer(x), judge(x.flatten(1)).view(1, 2, 3))
    torch.testing.assert_close(layer.running_var.flatten(), judge.running_var)
