"""Each scheme's variance against weights that torch's own initialisers draw."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch_schemes import DRAWN, seeded

from propstats.activations import Activation, activation
from propstats.errors import UnknownNameError
from propstats.estimate import STANDARD_ERRORS
from propstats.theory.geometry import Axis
from propstats.theory.weights.fans import Connections, dense
from propstats.theory.weights.schemes import TRUNCATED_STD, Law, rectifier_gain, scheme_names, weight_scheme

_RELU = activation("relu")
_LAYERS = {
    "dense": dense(48, 32),
    "widening": dense(24, 60),
    "convolution": Connections(8, 12, axes=(Axis(9, 3),) * 2),
    "grouped": Connections(12, 24, 4, axes=(Axis(9, 3), Axis(9, 2))),
    "transposed": Connections(12, 8, axes=(Axis(9, 3, transposed=True),)),
}


def test_every_scheme_is_drawn() -> None:
    assert set(DRAWN) | {"normprop"} == set(scheme_names())


@pytest.mark.parametrize("layer", _LAYERS.values(), ids=_LAYERS)
@pytest.mark.parametrize("name", sorted(DRAWN))
def test_variance_is_that_of_what_torch_draws(name: str, layer: Connections) -> None:
    draws = 60
    weight = torch.empty(layer.weight_shape)
    with seeded(0):
        squares = torch.stack([DRAWN[name](weight).double().square().mean() for _ in range(draws)])
    promised = weight_scheme(name).variance(layer, _RELU, 7)
    error = squares.std().item() / math.sqrt(draws)
    # float32: a rounding of each weight; the squares of orthogonal ones add up exactly but for that.
    assert abs(squares.mean().item() - promised) <= STANDARD_ERRORS * error + 4 * 2.0**-24 * promised


@pytest.mark.parametrize("name", ["lecun", "uniform", "he_truncated"])
def test_the_error_bars_would_see_a_wrong_variance(name: str) -> None:
    """Planted: one part in twenty."""
    layer = _LAYERS["dense"]
    weight = torch.empty(layer.weight_shape)
    with seeded(1):
        squares = torch.stack([DRAWN[name](weight).double().square().mean() for _ in range(60)])
    wrong = 1.05 * weight_scheme(name).variance(layer, _RELU, 1)
    assert abs(squares.mean().item() - wrong) > STANDARD_ERRORS * squares.std().item() / math.sqrt(60)


@pytest.mark.parametrize(
    "build",
    [
        lambda: nn.Linear(40, 70),
        lambda: nn.Conv1d(8, 40, 3, groups=2),
        lambda: nn.Conv2d(3, 50, 3),
        lambda: nn.ConvTranspose1d(10, 40, 3),
    ],
)
def test_torchs_default_layers(build: Callable[[], nn.Module]) -> None:
    """Weights and biases of torch's layers as they come, transposed and grouped ones too."""
    with seeded(2):
        modules = [build() for _ in range(150)]
    first = modules[0]
    assert isinstance(first, nn.Linear | nn.Conv1d | nn.Conv2d | nn.ConvTranspose1d)
    layer = (
        dense(first.in_features, first.out_features)
        if isinstance(first, nn.Linear)
        else Connections(
            first.in_channels, first.out_channels, first.groups,
            tuple(Axis(9, k, transposed=isinstance(first, nn.ConvTranspose1d)) for k in first.kernel_size),
        )
    )  # fmt: skip
    scheme = weight_scheme("torch")
    for parameter, promised in (("weight", scheme.variance), ("bias", scheme.bias_variance)):
        values = torch.stack([getattr(module, parameter).detach().double().flatten() for module in modules])
        squares = values.square().flatten()
        exact = promised(layer, _RELU, 1)
        assert abs(squares.mean().item() - exact) <= STANDARD_ERRORS * squares.std().item() / math.sqrt(squares.numel())
        assert values.abs().max().item() <= math.sqrt(3 * exact) * (1 + 2.0**-23)


def test_only_torchs_default_has_biases() -> None:
    biased = [n for n in scheme_names() if weight_scheme(n).bias_variance(dense(9, 9), _RELU, 1) > 0]
    assert biased == ["torch"]


def test_printed_numbers() -> None:
    assert TRUNCATED_STD == 0.87962566103423978  # the constant in Keras, JAX and timm
    torch_ = weight_scheme("torch").variance(dense(100, 50), _RELU, 1)
    assert torch_ == 1 / 300
    assert weight_scheme("glorot").variance(dense(100, 50), _RELU, 1) == 2 / 150
    # Fixup, section 3: L^(-1/(2m - 2)) with m = 2 is L^(-1/2).
    he, fixup = (weight_scheme(name).variance(dense(8, 8), _RELU, 16) for name in ("he_fan_out", "fixup"))
    assert fixup == he / 16


@pytest.mark.parametrize(
    ("act", "squared"),
    [
        (activation("relu"), 2.0),
        (activation("leaky_relu"), 2 / (1 + 0.01**2)),
        (activation("leaky_relu", negative_slope=2.0), 2 / 5),
        (activation("prelu", a=2.0), 2 / 5),
        (activation("snake"), 2.0),  # its parameter a is no slope
        (activation("tanh"), 2.0),
    ],
)
def test_hes_gain(act: Activation, squared: float) -> None:
    assert rectifier_gain(act) == squared
    assert weight_scheme("he").variance(dense(10, 20), act, 1) == squared / 10
    if act.name == "leaky_relu":
        gain = nn.init.calculate_gain("leaky_relu", act.params["negative_slope"])
        assert math.isclose(squared, gain**2, rel_tol=2**-51)


def test_unit_rows_are_filters() -> None:
    """Rows of length one: for convolutions the whole filter, of transposed ones what reaches one output."""
    for layer in _LAYERS.values():
        assert weight_scheme("normprop").variance(layer, _RELU, 1) == 1 / layer.row_length
    assert weight_scheme("normprop").law is Law.UNIT_ROWS
    assert weight_scheme("normprop").is_normprop


def test_unknown_scheme() -> None:
    with pytest.raises(UnknownNameError, match="did you mean lecun"):
        weight_scheme("lecunn")
