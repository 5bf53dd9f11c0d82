"""NormProp layers against their formula, gradients against differences, statistics against the theory."""

import copy
import io
import math
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from propstats.activations import activation
from propstats.errors import DomainError, ModelError
from propstats.expectation import quadrature
from propstats.nn import (
    NormProp,
    NormPropConv1d,
    NormPropConv2d,
    NormPropConv3d,
    NormPropConvTranspose1d,
    NormPropConvTranspose2d,
    NormPropConvTranspose3d,
    NormPropLinear,
)
from propstats.nn.rows import rows_first, scale_rows

_KINDS: list[tuple[type[NormProp], tuple[int, ...], dict[str, Any]]] = [
    (NormPropLinear, (6,), {}),
    (NormPropConv1d, (6, 7), {"kernel_size": 3, "padding": 1, "stride": 2}),
    (NormPropConv2d, (6, 5, 6), {"kernel_size": (3, 2), "padding": "same", "padding_mode": "circular"}),
    (NormPropConv2d, (6, 5, 6), {"kernel_size": 3, "groups": 2, "dilation": 2, "padding": 2}),
    (NormPropConv3d, (6, 3, 4, 3), {"kernel_size": 2}),
    (NormPropConvTranspose1d, (6, 5), {"kernel_size": 3, "stride": 2, "output_padding": 1}),
    (NormPropConvTranspose2d, (6, 3, 4), {"kernel_size": 3, "stride": (2, 1), "groups": 2}),
    (NormPropConvTranspose3d, (6, 2, 3, 2), {"kernel_size": 2, "padding": 1, "stride": 2}),
]
_IDS = [f"{kind.__name__}-{index}" for index, (kind, _, _) in enumerate(_KINDS)]


def _generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _layer(kind: type[NormProp], geometry: dict[str, Any], **options: Any) -> NormProp:
    layer = kind(6, 4, generator=_generator(), dtype=torch.double, **geometry, **options)
    with torch.no_grad():  # as after some training
        layer.gamma.mul_(torch.linspace(0.7, 1.3, 4, dtype=torch.double))
        layer.beta.add_(torch.linspace(-0.3, 0.4, 4, dtype=torch.double))
        layer.weight.mul_(3.0)
    return layer


def _plain(kind: type[NormProp], geometry: dict[str, Any], layer: NormProp) -> nn.Module:
    """Torch's own layer, with the weights and the bias that Eq. 12 gives."""
    torch_kind = getattr(nn, kind.__name__.removeprefix("NormProp"))
    plain: nn.Module = torch_kind(6, 4, dtype=torch.double, **geometry)
    stride = geometry.get("stride", 1)
    taps = math.prod(stride) if isinstance(stride, tuple) else stride ** (layer.weight.dim() - 2)
    reach = math.sqrt(taps) if "Transpose" in kind.__name__ else 1.0
    with torch.no_grad():
        lengths = rows_first(layer, layer.weight).norm(dim=1)
        plain.get_parameter("weight").copy_(scale_rows(layer, layer.weight, reach * layer.gamma / lengths))
        plain.get_parameter("bias").copy_(layer.beta)
    return plain


@pytest.mark.parametrize(("kind", "shape", "geometry"), _KINDS, ids=_IDS)
@pytest.mark.parametrize("name", ["relu", "tanh", "abs"])
def test_equation_12(kind: type[NormProp], shape: tuple[int, ...], geometry: dict[str, Any], name: str) -> None:
    layer = _layer(kind, geometry, activation=name)
    found = quadrature.moments(activation(name))
    x = torch.randn(3, *shape, dtype=torch.double, generator=_generator(1))
    h = _plain(kind, geometry, layer)(x)
    expected = (activation(name)(h) - found["mean"].value) / found["normprop_scale"].value
    torch.testing.assert_close(layer(x), expected)
    torch.testing.assert_close(layer(x[0]) if kind is not NormPropLinear else layer(x)[0], expected[0])


@pytest.mark.parametrize(("kind", "shape", "geometry"), _KINDS, ids=_IDS)
def test_gradients_by_differences(kind: type[NormProp], shape: tuple[int, ...], geometry: dict[str, Any]) -> None:
    options: dict[str, Any] = {"constants": "matched", "gamma": 0.9} if kind is NormPropLinear else {}
    layer = _layer(kind, geometry, activation="tanh", **options)
    x = torch.randn(1, *shape, dtype=torch.double, generator=_generator(1), requires_grad=True)
    names = [name for name, _ in layer.named_parameters()]

    def out(x: torch.Tensor, *parameters: torch.Tensor) -> Any:
        return torch.func.functional_call(layer, dict(zip(names, parameters, strict=True)), (x,))

    assert torch.autograd.gradcheck(out, (x, *layer.parameters()), fast_mode=True)


@pytest.mark.parametrize(
    "options",
    [
        {"activation": "relu"},
        {"activation": "prelu"},
        {"activation": nn.PReLU(4)},
        {"activation": "relu", "constants": "matched", "gamma": 0.9, "beta": 0.5},
        {"activation": "prelu", "constants": "matched", "gamma": 0.9},
        {"activation": "gelu", "affine": False},
    ],
    ids=str,
)
def test_gradients_of_all_that_is_learned(options: dict[str, Any]) -> None:
    layer = NormPropLinear(6, 4, generator=_generator(), dtype=torch.double, **options)
    x = torch.randn(5, 6, dtype=torch.double, generator=_generator(1), requires_grad=True)
    names = [name for name, _ in layer.named_parameters()]

    def out(x: torch.Tensor, *parameters: torch.Tensor) -> Any:
        return torch.func.functional_call(layer, dict(zip(names, parameters, strict=True)), (x,))

    assert torch.autograd.gradcheck(out, (x, *layer.parameters()))


@pytest.mark.parametrize("options", [{"gamma": 1.0}, {"constants": "matched", "gamma": 0.7, "beta": 1.0}], ids=str)
@pytest.mark.parametrize("name", ["relu", "gelu", "tanh", "prelu"])
def test_gaussian_input_comes_out_canonical(name: str, options: dict[str, Any]) -> None:
    layer = NormPropLinear(64, 32, activation=name, generator=_generator(), **options)
    y = layer(torch.randn(20_000, 64, generator=_generator(1))).detach().double()
    fourth = float(((y - y.mean(dim=0)) ** 4).mean())
    assert abs(float(y.mean())) <= 5 / math.sqrt(y.shape[0])  # units of one input are as good as one at worst
    assert abs(float(y.var()) - 1.0) <= 5 * math.sqrt((fourth - 1.0) / y.shape[0])


def test_the_jacobian_factor_is_one_with_the_default_gamma() -> None:
    for name in ("relu", "tanh", "selu"):
        layer = NormPropLinear(8, 4, activation=name)
        found = quadrature.moments(activation(name))
        factor = layer.gamma[0].item() * found["jacobian_factor"].value
        assert abs(factor - 1.0) <= torch.finfo(torch.float32).eps


def test_a_transposed_convolution_is_canonical_in_the_mean_over_positions() -> None:
    layer = NormPropConvTranspose2d(16, 512, 4, stride=2, activation="identity", gamma=1.0, generator=_generator())
    y = layer(torch.randn(64, 16, 6, 6, generator=_generator(1)))[:, :, 3:-3, 3:-3].detach()
    # Unlike units, unlike inputs: at least 64 independent images for each of 512 rows.
    assert abs(float(y.var()) - 1.0) <= 5 * math.sqrt(2 / 512)


@given(size=st.integers(1, 3))
def test_any_batch_trains(size: int) -> None:
    model = nn.Sequential(NormPropConv2d(1, 4, 3, generator=_generator()), nn.Flatten(), nn.Linear(16, 1))
    x = torch.randn(size, 1, 4, 4, generator=_generator(1))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    losses = []
    for _ in range(5):
        optimizer.zero_grad()
        loss = (model(x) - 1.0).square().mean()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]


@pytest.mark.parametrize("name", ["relu", "tanh", "prelu"])
def test_rows_of_zeros_and_signs_of_gamma_make_no_nan(name: str) -> None:
    matched: dict[str, Any] = {"constants": "matched", "gamma": 1.0}
    for options in ({}, matched):
        layer = NormPropLinear(4, 4, activation=name, generator=_generator(), **options)
        with torch.no_grad():
            layer.weight[0] = 0.0
            layer.gamma.copy_(torch.tensor([1.0, 0.0, -1.0, 1e-30]))
            layer.beta[3] = -1e3
        x = torch.randn(3, 4, generator=_generator(1))
        y = layer(x)
        y.sum().backward()
        assert all(bool(p.grad is not None and p.grad.isfinite().all()) for p in layer.parameters())
        assert y.isfinite().all()
        assert torch.equal(y[:, 0], y[:1, 0].expand(3))  # a constant
        with torch.no_grad():
            layer.gamma[2], layer.weight[2] = 1.0, -layer.weight[2]
        torch.testing.assert_close(layer(x)[:, 2], y[:, 2])  # mirrored


def test_a_checkpoint_comes_back_and_another_configuration_is_refused() -> None:
    layer = _layer(NormPropLinear, {}, activation=nn.PReLU(4))
    file = io.BytesIO()
    torch.save(layer.state_dict(), file)
    file.seek(0)
    other = NormPropLinear(6, 4, activation=nn.PReLU(4), dtype=torch.double)
    other.load_state_dict(torch.load(file, weights_only=True))
    x = torch.randn(2, 6, dtype=torch.double)
    assert torch.equal(layer(x), other(x))
    assert torch.equal(copy.deepcopy(layer)(x), layer(x))
    matched: dict[str, Any] = {"constants": "matched", "gamma": 1.0}
    another: dict[str, Any] = {"activation": "elu"}
    for wrong, word in ((another, "activation"), (matched, "constants")):
        stranger = NormPropLinear(6, 4, **wrong)
        with pytest.raises(ModelError, match=f"NormProp layer with {word} .*, this one has") as caught:
            stranger.load_state_dict(NormPropLinear(6, 4).state_dict())
        assert "\n" not in str(caught.value)
    with pytest.raises(ModelError, match="params"):
        NormPropLinear(6, 4, activation=activation("elu", alpha=0.5)).load_state_dict(
            NormPropLinear(6, 4, activation="elu").state_dict()
        )


def test_a_checkpoint_of_another_size_or_kind_is_refused_in_one_line() -> None:
    model = nn.Sequential(NormPropLinear(6, 4))
    for other, message in (
        (nn.Sequential(NormPropLinear(6, 3)), r"0.weight has the shape \(3, 6\), and \(4, 6\) in this network"),
        (nn.Sequential(nn.Linear(6, 4)), "no 0.gamma: its layer is no NormProp layer"),
    ):
        with pytest.raises(ModelError, match=message) as caught:
            model.load_state_dict(other.state_dict())
        assert "\n" not in str(caught.value)


def test_parameters_are_drawn_anew_and_without_storage() -> None:
    with torch.device("meta"):
        layer = NormPropLinear(6, 4, beta=0.5)
    layer.to_empty(device="cpu")
    layer.reset_parameters(_generator())
    other = NormPropLinear(6, 4, beta=0.5, generator=_generator())
    assert all(torch.equal(a, b) for a, b in zip(layer.parameters(), other.parameters(), strict=True))
    other.reset_parameters()
    assert not torch.equal(layer.weight, other.weight)


class _Learned(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.tanh(self.scale * x)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"gamma": 0.0}, "gamma must be positive, got 0"),
        ({"gamma": -1.0}, "gamma must be positive, got -1"),
        ({"gamma": float("nan")}, "gamma must be a finite number"),
        ({"gamma": "isometric"}, "'jacobian' or a positive number"),
        ({"beta": float("inf")}, "beta must be a finite number"),
        ({"constants": "exact"}, "'paper' or 'matched', got 'exact'"),
        ({"constants": "matched"}, "no gamma makes the Jacobian factor 1"),
        ({"bias": True}, "no bias beside beta"),
        ({"dtype": torch.int32}, "floating-point type"),
        ({"activation": _Learned()}, "parameters of its own"),
        ({"activation": nn.PReLU(3)}, "3 slopes do not fit 4 units"),
        ({"activation": "step", "gamma": "jacobian"}, "Jacobian factor"),
        ({"activation": activation("threshold", threshold=1e9)}, "no variance"),
    ],
    ids=str,
)
def test_refusals(options: dict[str, Any], message: str) -> None:
    with pytest.raises(DomainError, match=message) as caught:
        NormPropLinear(6, 4, **options)
    assert "\n" not in str(caught.value)


def test_transposed_layers_take_no_output_size() -> None:
    layer = NormPropConvTranspose1d(2, 2, 3, stride=2)
    with pytest.raises(DomainError, match="output_padding"):
        layer(torch.zeros(1, 2, 4), output_size=[10])


def test_half_precision_is_the_same_up_to_its_rounding() -> None:
    layer = NormPropLinear(32, 16, generator=_generator())
    x = torch.randn(64, 32, generator=_generator(1))
    full = layer(x)
    (exact,) = torch.autograd.grad(full.square().sum(), layer.weight)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        half = layer(x)
        (gradient,) = torch.autograd.grad(half.float().square().sum(), layer.weight)
    assert half.dtype == torch.bfloat16
    eps = torch.finfo(torch.bfloat16).eps
    # Each product of 32 has two rounded factors, and the sum is rounded once.
    assert float((half - full).detach().abs().max()) <= 3 * eps * (1.0 + float(x.norm(dim=1).max()))
    assert float((gradient - exact).norm() / exact.norm()) <= 8 * eps
