"""Backward normalisation: gradients N(0, 1) at the output have variance 1 at the input of every layer."""

import math

import pytest
import torch
from torch import nn

from propstats.errors import DomainError, ModelError
from propstats.nn.backward import BackwardNorm, UnitColumns, backward_normalized

_LAYERS = {
    "relu": (nn.ReLU(), (64,)),
    "sigmoid": (nn.Sigmoid(), (64,)),
    "tanh": (nn.Tanh(), (64,)),
    "average": (nn.AvgPool2d(2), (4, 8, 8)),
    "max": (nn.MaxPool2d(2), (4, 8, 8)),
    "dropout": (nn.Dropout(0.3), (64,)),
}


def _gradient(layer: nn.Module, shape: tuple[int, ...], samples: int = 4000) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(samples, *shape, generator=generator, dtype=torch.float64, requires_grad=True)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        y = layer(x)
    direction = torch.randn(y.shape, generator=generator, dtype=torch.float64)
    (gradient,) = torch.autograd.grad(y, x, direction)
    return gradient


@pytest.mark.parametrize("name", _LAYERS)
def test_gradients_keep_variance_one(name: str) -> None:
    layer, shape = _LAYERS[name]
    square = _gradient(BackwardNorm.of(layer), shape).square().flatten(1).mean(dim=1)
    assert abs(float(square.mean()) - 1) < 5 * float(square.std()) / math.sqrt(len(square))


def test_the_signal_has_mean_zero_after_it() -> None:
    x = torch.randn(100_000, 1, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    for layer in (nn.ReLU(), nn.Sigmoid()):
        y = BackwardNorm.of(layer)(x)
        assert abs(float(y.mean())) < 5 * float(y.std()) / math.sqrt(len(y))


def test_overlapping_windows_are_counted() -> None:
    square = _gradient(BackwardNorm.of(nn.MaxPool1d(3, 2)), (1, 4001), 40).square().flatten(1).mean(dim=1)
    assert abs(float(square.mean()) - 1) < 5 * float(square.std()) / math.sqrt(len(square)) + 1e-3


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (nn.Linear(32, 16), (32,)),
        (nn.Conv2d(4, 6, 3, padding=2, groups=2), (4, 9, 9)),
        (nn.Conv1d(4, 8, 4, stride=2), (4, 2002)),
    ],
    ids=["linear", "grouped", "strided"],
)
def test_weights_hand_gradients_on(layer: nn.Module, shape: tuple[int, ...]) -> None:
    from torch.nn.utils import parametrize

    parametrize.register_parametrization(layer, "weight", UnitColumns(layer))
    square = _gradient(layer.double(), shape, 1000).square()
    interior = square[..., 2:-2] if len(shape) == 2 else square
    mean = interior.flatten(1).mean(dim=1)
    assert abs(float(mean.mean()) - 1) < 5 * float(mean.std()) / math.sqrt(len(mean)) + 1e-3


def test_a_deep_chain_keeps_its_gradient_where_the_plain_one_loses_it() -> None:
    generator = torch.Generator().manual_seed(0)
    layers: list[nn.Module] = []
    for _ in range(20):
        layers += [nn.Linear(256, 256), nn.ReLU()]
    plain = nn.Sequential(*layers)
    for parameter in plain.parameters():
        nn.init.normal_(parameter, std=1 / 16, generator=generator)
    kept = _gradient(backward_normalized(plain).double(), (256,), 200).square().mean()
    lost = _gradient(plain.double(), (256,), 200).square().mean()
    assert 0.2 < float(kept) < 5.0
    assert float(lost) < 1e-4


def test_columns_of_zeros_stay_and_give_no_nan() -> None:
    layer = nn.Linear(3, 2)
    weight = layer.weight.detach().clone()
    weight[:, 1] = 0.0
    assert UnitColumns(layer)(weight)[:, 1].eq(0).all()
    assert UnitColumns(layer)(weight).isfinite().all()


def test_the_model_stays_as_it_is_and_strangers_are_named() -> None:
    layer = nn.Linear(4, 4)
    before = layer.weight.detach().clone()
    backward_normalized(nn.Sequential(layer, nn.ReLU()))
    assert torch.equal(before, layer.weight)
    with pytest.raises(ModelError, match="layer 1: no backward normalisation for BatchNorm1d"):
        backward_normalized(nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4)))
    with pytest.raises(DomainError):
        BackwardNorm.of(nn.LayerNorm(4))


def test_layers_that_are_applied_twice_are_applied_twice() -> None:
    act, twice = nn.ReLU(), nn.Linear(4, 4)
    network = backward_normalized(nn.Sequential(nn.Sequential(nn.Linear(4, 4), act), twice, act, twice))
    assert [isinstance(part, BackwardNorm) for part in network] == [False, True, False, True, False]
    assert network[2] is network[4]
    assert len(network[2].parametrizations.weight) == 1  # type: ignore[union-attr,arg-type]
