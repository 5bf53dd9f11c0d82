"""Schemes: what is drawn has the variance, the law and the seed that it should."""

import math

import pytest
import torch
from torch import nn

from propstats.activations import activation
from propstats.errors import DomainError, ModelError, UnknownNameError
from propstats.estimate import STANDARD_ERRORS
from propstats.expectation import quadrature
from propstats.nn import NormPropLinear
from propstats.nn.init import exact_, glorot_, he_, initialize_, lecun_, orthogonal_
from propstats.nn.init.schemes import connections
from propstats.theory.weights.schemes import scheme_names, weight_scheme


def _generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _check(weight: torch.Tensor, variance: float) -> None:
    """Compare mean and variance within their standard errors."""
    w, n = weight.detach().double(), weight.numel()
    fourth = float((w**4).mean())
    assert abs(float(w.mean())) <= STANDARD_ERRORS * math.sqrt(variance / n)
    assert abs(float((w**2).mean()) - variance) <= STANDARD_ERRORS * math.sqrt(max(fourth - variance**2, 0.0) / n)


@pytest.mark.parametrize("name", scheme_names())
@pytest.mark.parametrize(
    "layer", [nn.Linear(120, 80), nn.Conv2d(16, 24, 3), nn.ConvTranspose1d(20, 30, 5, groups=2)], ids=str
)
def test_every_scheme_has_its_variance(name: str, layer: nn.Module) -> None:
    initialize_(layer, name, "leaky_relu", generator=_generator(1))
    scheme = weight_scheme(name)
    variance = scheme.variance(connections(layer), activation("leaky_relu"), 1)
    weight = layer.get_parameter("weight").detach()
    if name not in ("orthogonal", "normprop"):
        _check(weight, variance)
    else:
        # The length of the rows, or columns, is the scheme.
        assert float((weight.double() ** 2).mean()) == pytest.approx(variance, rel=1e-5)
    bias = layer.get_parameter("bias").detach()
    if name == "torch":
        assert float(bias.abs().max()) <= math.sqrt(3 * variance)
        assert float(bias.abs().max()) > 0.0
    else:
        assert not bias.any()


@pytest.mark.parametrize("name", scheme_names())
def test_torch_counts_the_same_fans(name: str) -> None:
    for layer in (nn.Linear(3, 7), nn.Conv3d(4, 6, (1, 2, 3), groups=2), nn.ConvTranspose2d(4, 6, 3, groups=2)):
        fans = nn.init._calculate_fan_in_and_fan_out(layer.weight)
        assert (connections(layer).fan_in, connections(layer).fan_out) == fans


def test_by_name() -> None:
    layer = nn.Linear(300, 200)
    glorot_(layer, generator=_generator(2))
    _check(layer.weight, 2 / 500)
    glorot_(layer, uniform=False, generator=_generator(2))
    _check(layer.weight, 2 / 500)
    he_(layer, generator=_generator(2))
    _check(layer.weight, 2 / 300)
    he_(layer, "leaky_relu", uniform=True, generator=_generator(2))
    _check(layer.weight, 2 / (1 + 1e-4) / 300)
    lecun_(layer, generator=_generator(2))
    _check(layer.weight, 1 / 300)
    lecun_(layer, uniform=True, generator=_generator(2))
    _check(layer.weight, 1 / 300)
    orthogonal_(layer, generator=_generator())
    torch.testing.assert_close(layer.weight @ layer.weight.T, torch.eye(200), rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", ["gelu", "tanh", "sigmoid", "x*tanh(x)"])
def test_the_exact_gain_keeps_what_it_promises(name: str) -> None:
    layer, generator = nn.Linear(400, 400), _generator(3)
    for std, backward in ((1.0, False), (0.5, False), (1.0, True)):
        exact_(layer, name, std=std, backward=backward, generator=generator)
        found = quadrature.moments(activation(name), std=std)
        power = found["slope_second_moment" if backward else "second_moment"].value
        _check(layer.weight, (1.0 if backward else std**2) / (400 * power))


def test_generators_decide_and_nothing_else_moves() -> None:
    model = nn.Sequential(nn.Linear(5, 4), nn.Tanh(), nn.Linear(4, 4), nn.Linear(4, 4))
    state, weights = torch.get_rng_state(), []
    for seed in (7, 7, 8):
        initialize_(model, "torch", generator=_generator(seed))
        weights.append(torch.cat([p.detach().flatten() for p in model.parameters()]))
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])
    assert not torch.equal(model[2].get_parameter("weight"), model[3].get_parameter("weight"))
    he_(model)
    assert torch.equal(torch.get_rng_state(), state)


def test_normprop_layers_are_layers_of_weights() -> None:
    layer = NormPropLinear(6, 4)
    orthogonal_(layer)
    torch.testing.assert_close(layer.weight @ layer.weight.T, torch.eye(4), rtol=0, atol=1e-5)


def test_refusals() -> None:
    with pytest.raises(ModelError, match="no layers of weights"):
        he_(nn.Sequential(nn.ReLU()))
    with pytest.raises(UnknownNameError, match="scheme"):
        initialize_(nn.Linear(2, 2), "kaimingg")
    with pytest.raises(DomainError, match="no gain"):
        exact_(nn.Linear(2, 2), "step", backward=True)
