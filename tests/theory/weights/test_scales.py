"""Schemes side by side: exact factors, and layers of torch drawn by torch."""

import math
from functools import cache
from typing import Any

import pytest
import torch
from torch import nn
from torch_schemes import DRAWN, seeded

from propstats.activations import activation, activation_names
from propstats.errors import DomainError, UnknownNameError
from propstats.estimate import STANDARD_ERRORS, Route
from propstats.theory.weights.convolution import convolution
from propstats.theory.weights.fans import Connections, dense
from propstats.theory.weights.scales import SchemeScales, WeightScales, scales
from propstats.theory.weights.schemes import Law, scheme_names, weight_scheme

_CONVOLUTIONS: list[type[nn.Module]] = [nn.Conv1d, nn.Conv2d, nn.Conv3d]
_TRANSPOSED: list[type[nn.Module]] = [nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d]


def _by_name(result: WeightScales) -> dict[str, SchemeScales]:
    return {row.name: row for row in result.schemes}


@cache
def _relu_after(layer: Connections) -> dict[str, SchemeScales]:
    return _by_name(scales("relu", layer, depth=7))


def test_what_the_books_say() -> None:
    relu = _by_name(scales("relu", fan_in=400, fan_out=200))
    assert list(relu) == scheme_names()
    for name, forward, backward in (("he", 1.0, 0.5), ("he_fan_out", 2.0, 1.0), ("lecun", 0.5, 0.25),
                                    ("glorot", 2 / 3, 1 / 3), ("uniform", 1 / 6, 1 / 12)):  # fmt: skip
        row = relu[name]
        assert abs(row.forward_factor.value - forward) <= row.forward_factor.error
        assert abs(row.backward_factor.value - backward) <= row.backward_factor.error
        assert row.forward_factor.route is Route.CLOSED_FORM
        # Var relu = (1 - 1/pi)/2, E[relu^2] = 1/2
        assert abs(row.variance_factor.value / row.forward_factor.value - (1 - 1 / math.pi)) <= 1e-14
    assert math.isclose(relu["he"].weight_std.value, math.sqrt(2 / 400), rel_tol=2**-51)
    # torch's biases: 1/(3 fan_in) on top
    torch_ = relu["torch"]
    assert abs(torch_.forward_factor.value - (1 / 6 + 1 / 1200)) <= torch_.forward_factor.error
    assert math.isclose(torch_.bias_std, 1200**-0.5, rel_tol=2**-51)


def test_normprop_is_canonical_forward_and_grows_backward() -> None:
    """Theory: 1 forwards, J^2 = 1.46694220692426 (ReLU, printed as 1.47) backwards."""
    row = _by_name(scales("relu", depth=9))["normprop"]
    for estimate, exact in (
        (row.forward_factor, 1.0),
        (row.variance_factor, 1.0),
        (row.backward_factor, 1.4669422069242598600),
        (row.forward_remaining, 1.0),
        (row.backward_remaining, 1.4669422069242598600**9),
    ):
        assert abs(estimate.value - exact) <= estimate.error
    wide = _by_name(scales("relu", std=2.0))["normprop"]
    m = (2.0 / math.sqrt(2 * math.pi), 2.0)  # mean and second moment of relu at N(0, 4)
    c2 = 1 / math.sqrt(2 * math.pi)
    expected = (m[1] - 2 * c2 * m[0] + c2**2) / ((1 - 1 / math.pi) / 2) / 4
    assert abs(wide.forward_factor.value - expected) <= wide.forward_factor.error + 1e-15


@pytest.mark.parametrize("name", ["relu", "tanh", "gelu", "sigmoid", "selu"])
def test_one_layer_is_the_factor(name: str) -> None:
    """Over a depth of one, what is left is the factor: two routes to one number."""
    for row in scales(name, depth=1).schemes:
        for left, factor in (
            (row.forward_remaining, row.forward_factor),
            (row.backward_remaining, row.backward_factor),
        ):
            assert left.agrees_with(factor), row.name
            assert left.error <= 1e-12 * left.value


@pytest.mark.parametrize("name", scheme_names())
@pytest.mark.parametrize(
    "layer",
    [
        dense(30, 50),
        convolution(6, 8, size=9, kernel=3, stride=2, padding=1, dimensions=1),
        convolution(4, 6, size=(7, 6), kernel=3, padding=2, dilation=2),
        convolution(4, 8, size=6, kernel=(3, 2), groups=2, mode="circular", padding=1),
        convolution(6, 4, size=5, kernel=3, stride=2, padding=1, transposed=True),
    ],
    ids=["dense", "stride", "dilation", "groups", "transposed"],
)
def test_factors_are_those_of_drawn_layers(name: str, layer: Connections) -> None:
    """Forward and backward (autograd) in the mean over layers that torch draws, for Gaussian pre-activations."""
    row = _relu_after(layer)[name]
    for sample, factor in zip(_simulated(name, layer, 60), (row.forward_factor, row.backward_factor), strict=True):
        assert abs(sample.mean().item() - factor.value) <= STANDARD_ERRORS * _error(sample)


@pytest.mark.parametrize(
    "layer",
    [
        convolution(8, 8, size=6, kernel=3, padding=1),
        convolution(8, 8, size=9, kernel=3, stride=2, padding=1),
        convolution(8, 8, size=6, kernel=3, groups=4),
        convolution(6, 8, size=5, kernel=3, stride=2, transposed=True),
    ],
    ids=["padding", "stride", "groups", "transposed"],
)
def test_the_fans_of_initialisers_would_be_found_out(layer: Connections) -> None:
    """Planted: fan_in and fan_out in place of the terms that there are."""
    forward, backward = _simulated("he", layer, 120)
    wrong = (1.0, layer.fan_out / layer.fan_in)
    gaps = [abs(s.mean().item() - w) / _error(s) for s, w in zip((forward, backward), wrong, strict=True)]
    assert max(gaps) > 2 * STANDARD_ERRORS


def _error(sample: torch.Tensor) -> float:
    return sample.std().item() / math.sqrt(len(sample))


def _simulated(name: str, layer: Connections, draws: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Second moments after a drawn layer, and mean squares of gradients before it, of ReLUs at N(0, 1)."""
    scheme = weight_scheme(name)
    signals, gradients = [], []
    with seeded(3):
        for _ in range(draws):
            module = _module(layer, scheme.bias_variance(layer, activation("relu"), 7) > 0)
            weight = module.weight
            assert isinstance(weight, nn.Parameter)
            with torch.no_grad():
                _draw(name, weight, layer)
            h = torch.randn(4, layer.channels_in, *(axis.size for axis in layer.axes), requires_grad=True)
            x = torch.relu(h)
            if scheme.law is Law.UNIT_ROWS:
                x = (x - 1 / math.sqrt(2 * math.pi)) / math.sqrt((1 - 1 / math.pi) / 2)
            y = module(x)
            (gradient,) = torch.autograd.grad(y, h, torch.randn_like(y))
            signals.append(float(y.detach().double().square().mean()))
            gradients.append(float(gradient.double().square().mean()))
    return torch.tensor(signals, dtype=torch.float64), torch.tensor(gradients, dtype=torch.float64)


def _module(layer: Connections, bias: bool) -> nn.Module:
    if not layer.axes:
        return nn.Linear(layer.channels_in, layer.channels_out, bias=bias)
    options: dict[str, Any] = {"groups": layer.groups, "bias": bias}
    for option in ("kernel", "stride", "dilation"):
        options[option.replace("kernel", "kernel_size")] = tuple(getattr(axis, option) for axis in layer.axes)
    options["padding"] = tuple(axis.padding[0] for axis in layer.axes)
    kinds = _TRANSPOSED if layer.transposed else _CONVOLUTIONS
    return kinds[len(layer.axes) - 1](layer.channels_in, layer.channels_out, padding_mode=layer.axes[0].mode, **options)


def _draw(name: str, weight: torch.Tensor, layer: Connections) -> None:
    if name in DRAWN:
        DRAWN[name](weight)
        return
    nn.init.normal_(weight)
    if layer.transposed:  # what reaches one output channel
        weight /= torch.linalg.vector_norm(weight, dim=[d for d in range(weight.ndim) if d != 1], keepdim=True)
    else:
        weight /= torch.linalg.vector_norm(weight.flatten(1), dim=1).reshape(-1, *(1,) * (weight.ndim - 1))


def test_what_remains_is_what_a_deep_torch_network_keeps() -> None:
    """Forty layers of tanh, He weights, width 300: simulated, within standard errors and O(depth/width)."""
    width, depth, draws = 300, 40, 30
    row = _by_name(scales("tanh", fan_in=width, depth=depth))["he"]
    forward, backward = [], []
    with seeded(5):
        for _ in range(draws):
            h0 = torch.randn(1, width, requires_grad=True)
            h = h0
            for _ in range(depth):
                weight = nn.init.kaiming_normal_(torch.empty(width, width), nonlinearity="relu")
                h = torch.tanh(h) @ weight.T
            (gradient,) = torch.autograd.grad(h, h0, torch.randn_like(h))
            forward.append(float(h.detach().square().mean()))
            backward.append(float(gradient.square().mean()))
    for sample, left, blur in (
        (forward, row.forward_remaining, 2 / width),
        (backward, row.backward_remaining, depth / width),
    ):
        values = torch.tensor(sample, dtype=torch.float64)
        error = STANDARD_ERRORS * values.std().item() / math.sqrt(draws) + blur * left.value
        assert abs(values.mean().item() - left.value) <= error


def test_depth_multiplies_homogeneous_factors() -> None:
    for row in scales("leaky_relu", depth=30, negative_slope=0.3).schemes:
        if row.name != "normprop" and row.bias_std == 0:
            exact = row.forward_factor.value**30
            assert abs(row.forward_remaining.value - exact) <= row.forward_remaining.error + 1e-13 * exact


@pytest.mark.slow
@pytest.mark.parametrize("name", activation_names())
def test_every_activation(name: str) -> None:
    """NormProp is canonical forwards, and amplifies gradients by the Gaussian Poincare inequality."""
    result = scales(name, depth=30)
    row = _by_name(result)["normprop"]
    assert abs(row.forward_factor.value - 1) <= row.forward_factor.error
    if not activation(name).jumps:
        assert row.backward_factor.value >= 1 - row.backward_factor.error
    assert result.advice.why
    for scheme in result.schemes:
        assert scheme.fits is (scheme.name in result.advice.fits)


def test_own_connections_and_notes() -> None:
    result = scales("relu", convolution(8, 8, size=10, kernel=3, stride=2, padding=1, groups=4))
    assert (result.terms_in.min, result.terms_in.max) == (8, 18)
    assert result.weight_shape == (8, 2, 3, 3)
    text = " ".join(result.notes)
    for word in ("position", "groups", "size", "fixup"):
        assert word in text
    assert "transposed" in " ".join(scales("relu", convolution(2, 2, size=3, kernel=2, transposed=True)).notes)


def test_depthwise_fan_out_is_too_large() -> None:
    """Initialisers count out_channels taps; a gradient sums out_channels/groups of them."""
    layer = convolution(32, 32, size=8, kernel=3, padding=1, mode="circular", groups=32)
    assert layer.fan_out / layer.terms_out == 32
    row = _by_name(scales("relu", layer))["he_fan_out"]
    assert abs(row.backward_factor.value - 1 / 32) <= row.backward_factor.error


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"depth": 0}, "depth must be from 1 to 10,000, got 0"),
        ({"std": 0.0}, "std must be a positive number from 1e-20 to 1e+20, got 0"),
        ({"std": 1e200}, "std must be a positive number from 1e-20 to 1e+20, got 1e+200"),
        ({"std": math.nan}, "std must be a positive number"),
        ({"fan_in": 0}, "fan_in must be at least 1, got 0"),
        ({"fan_out": -2}, "fan_out must be at least 1, got -2"),
        ({"base_width": 0}, "base_width must be at least 1, got 0"),
    ],
)
def test_bad_numbers(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(DomainError) as caught:
        scales("relu", **arguments)
    assert message in str(caught.value)


def test_what_has_no_moments_is_refused() -> None:
    with pytest.raises(UnknownNameError):
        scales("rellu")
    from propstats.activations import from_expression

    with pytest.raises(DomainError, match="does not exist"):
        scales(from_expression("exp(x**2)"))
