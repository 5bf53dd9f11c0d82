"""Folded networks compute the same, borders included, and are plain."""

import copy
import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from propstats.errors import ModelError
from propstats.estimate import STANDARD_ERRORS
from propstats.nn import (
    NormProp,
    NormPropConv1d,
    NormPropConv2d,
    NormPropConv3d,
    NormPropConvTranspose2d,
    NormPropLinear,
    ScaleGradient,
    fold,
    separate_scales,
)
from propstats.nn.affine import Affine
from propstats.nn.models import nin
from propstats.simulation.averages import mean_of

_PER_UNIT: dict[str, Any] = {"constants": "matched", "gamma": 0.8, "beta": 0.2}


def _trained(model: nn.Module) -> nn.Module:
    """Move everything that is learned, as training would."""
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    return model.double()


def _same(model: nn.Module, *shape: int, affine: int = 0) -> nn.Module:
    model = _trained(model)
    x = torch.randn(3, *shape, dtype=torch.double, generator=torch.Generator().manual_seed(6))
    folded = fold(model)
    assert not any(isinstance(part, NormProp) for part in folded.modules())
    assert sum(isinstance(part, Affine) for part in folded.modules()) == affine
    # Rounding only: sums of some hundred terms of order one.
    torch.testing.assert_close(
        folded(x), model.eval()(x), rtol=0, atol=1e-12 * (1 + float(model(x).detach().abs().max()))
    )
    assert any(isinstance(part, NormProp) for part in model.modules())
    return folded


@pytest.mark.parametrize("name", ["relu", "prelu", "tanh", "gelu", "abs", "leaky_relu"])
@pytest.mark.parametrize("options", [{}, _PER_UNIT], ids=["paper", "matched"])
@settings(max_examples=8)
@given(kernel=st.integers(1, 3), stride=st.integers(1, 2), dilation=st.integers(1, 2), grouped=st.booleans())
def test_chains_of_convolutions(
    name: str, options: dict[str, Any], kernel: int, stride: int, dilation: int, grouped: bool
) -> None:
    geometry: dict[str, Any] = {"kernel_size": kernel, "stride": stride, "dilation": dilation, "groups": 1 + grouped}
    model = nn.Sequential(
        NormPropConv2d(2, 4, 3, padding=1, activation=name, **options),
        NormPropConv2d(4, 6, activation=name, **geometry, **options),
        nn.Sequential(nn.MaxPool2d(2, 1, 1), nn.AvgPool2d(2, 1), nn.Flatten()),
        nn.LazyLinear(3, bias=False),
    )
    model(torch.zeros(1, 2, 8, 8))
    _same(model, 2, 8, 8)


@pytest.mark.parametrize("padding", [1, "same", (0, 2)], ids=str)
@pytest.mark.parametrize("mode", ["zeros", "circular", "reflect", "replicate"])
def test_borders(padding: Any, mode: Any) -> None:
    first = NormPropConv2d(2, 4, 3, activation="sigmoid")
    behind = nn.Conv2d(4, 3, 3, padding=padding, padding_mode=mode)
    _same(nn.Sequential(first, behind), 2, 8, 9)
    # Constants of each unit's own cannot become one number around the image.
    matched = NormPropConv2d(2, 4, 3, activation="sigmoid", **_PER_UNIT)
    _same(nn.Sequential(matched, behind), 2, 8, 9, affine=int(mode == "zeros"))


def test_what_has_to_stay_stays() -> None:
    _same(nn.Sequential(NormPropConv2d(2, 4, 3, activation="elu"), nn.AvgPool2d(3, 2, 1)), 2, 8, 8, affine=1)
    uncounted = nn.AvgPool2d(3, 2, 1, count_include_pad=False)
    _same(nn.Sequential(NormPropConv2d(2, 4, 3, activation="elu"), uncounted, nn.Conv2d(4, 1, 1)), 2, 8, 8)
    _same(nn.Sequential(NormPropConvTranspose2d(2, 4, 3, activation="elu"), nn.ConvTranspose2d(4, 1, 3)), 2, 5, 5,
          affine=1)  # fmt: skip
    _same(nn.Sequential(NormPropConvTranspose2d(2, 4, 3, stride=2), nn.ConvTranspose2d(4, 1, 3)), 2, 5, 5)
    _same(nn.Sequential(NormPropConv3d(2, 4, 3, activation="elu"), nn.Conv3d(4, 1, 3, padding=1)), 2, 5, 5, 5)
    _same(nn.Sequential(NormPropConv1d(2, 4, 3, activation="elu"), nn.Flatten(2), nn.Linear(6, 2)), 2, 8, affine=1)
    _same(nn.Sequential(NormPropLinear(2, 4, activation="elu"), nn.Linear(4, 2)), 7, 2)
    _same(NormPropLinear(2, 4), 2)


class _Own(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = NormPropLinear(4, 4, activation="silu"), NormPropLinear(4, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        hidden: torch.Tensor = self.first(x)
        return x + hidden + torch.as_tensor(self.second(hidden))


class _Reversed(nn.Sequential):
    def forward(self, input: torch.Tensor) -> torch.Tensor:
        for layer in reversed(list(self)):
            input = layer(input)
        return input


def test_networks_with_a_forward_of_their_own_keep_it() -> None:
    _same(nn.Sequential(_Own(), NormPropLinear(4, 2)), 4, affine=1)
    _same(_Reversed(NormPropLinear(4, 4, activation="silu"), NormPropLinear(4, 4)), 4, affine=1)


def test_the_network_of_the_paper_is_plain_when_folded() -> None:
    folded = fold(nin(generator=torch.Generator().manual_seed(0)))
    kinds = [type(part) for part in folded]  # type: ignore[attr-defined]
    plain = [type(part) for part in nin("none")]
    assert [nn.ReLU if kind is nn.Threshold else kind for kind in kinds] == plain


@pytest.mark.parametrize("options", [{}, {"activation": "prelu"}, {"activation": "tanh"}, _PER_UNIT], ids=str)
def test_the_network_of_the_paper_stays_the_same_to_a_millionth_in_single_precision(options: dict[str, Any]) -> None:
    model = nin(thin=8, generator=torch.Generator().manual_seed(0), **options)
    x = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        expected = model(x)
        assert float((fold(model)(x) - expected).abs().max()) <= 1e-6 * float(expected.abs().max())


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(
    "options", [{}, {"activation": "prelu"}, {"activation": "tanh"}, {"activation": "elu"}, _PER_UNIT], ids=str
)
def test_nothing_is_lost_but_what_a_network_of_that_precision_loses(
    options: dict[str, Any], dtype: torch.dtype
) -> None:
    """Rounded once, a folded network is as near to the exact one as the network is that it stands for.

    What a layer sums is no longer centred if its constants went into the weights behind it: sums, and the rounding in
    them, grow by the root mean square of phi over its standard deviation at most.
    """
    x = torch.randn(64, 64, generator=torch.Generator().manual_seed(1)).to(dtype)
    ratios = []
    for draw in range(6):
        generator = torch.Generator().manual_seed(draw)
        layers = [NormPropLinear(64, 64, generator=generator, **options) for _ in range(9)]
        model = nn.Sequential(*layers).to(dtype)
        with torch.no_grad():
            exact = copy.deepcopy(model).double()(x.double())
            lost = [float((network(x) - exact).square().mean()) for network in (fold(model), model)]
        ratios.append(0.5 * math.log(lost[0] / lost[1]))
    c1, c2 = (float(torch.as_tensor(c).detach().max()) for c in NormPropLinear(1, 1, **options).current_constants())
    off_centre = c2 / c1 if options else 0.0  # a ReLU takes its constants along
    found = mean_of(torch.tensor(ratios).double().numpy())
    assert found.value <= 0.5 * math.log1p(off_centre**2) + STANDARD_ERRORS * found.error


def test_each_layer_keeps_its_type() -> None:
    model = nn.Sequential(NormPropLinear(4, 4, activation="tanh"), nn.Linear(4, 4), NormPropLinear(4, 4).double())
    assert [p.dtype for p in fold(model).parameters()] == [torch.float32] * 4 + [torch.float64] * 2
    half = fold(nn.Sequential(NormPropConv1d(2, 4, 3, activation="elu"), nn.Flatten(2)).to(torch.bfloat16))
    assert {t.dtype for t in half.state_dict().values()} == {torch.bfloat16}


def test_layers_that_are_applied_twice_are_applied_twice() -> None:
    twice, flat = NormPropLinear(4, 4, activation="silu"), nn.Flatten()
    _same(nn.Sequential(twice, flat, nn.Sequential(twice, flat), nn.Linear(4, 2)), 4)


def test_scales_of_gradients_are_left_out() -> None:
    layers = [NormPropLinear(4, 4, gamma=1.0, activation="gelu") for _ in range(2)]
    model = separate_scales(nn.Sequential(*layers, nn.Linear(4, 2)))
    assert not any(isinstance(part, ScaleGradient) for part in _same(model, 4).modules())
    assert isinstance(fold(_Reversed(ScaleGradient(0.5), NormPropLinear(4, 4)))[0], nn.Identity)  # type: ignore[index]


def test_hooks_are_refused_where_they_would_be_lost_and_kept_elsewhere() -> None:
    inner = nn.Sequential(NormPropLinear(4, 4, activation="silu"), nn.Linear(4, 4))
    inner.register_forward_hook(lambda *seen: None)
    folded = fold(nn.Sequential(inner, nn.Linear(4, 2)))
    assert folded[0]._forward_hooks  # type: ignore[index]
    layer = NormPropLinear(4, 4)
    layer.register_forward_hook(lambda *seen: None)
    with pytest.raises(ModelError, match=r"1 has hooks, .*remove them first"):
        fold(nn.Sequential(nn.Flatten(), layer))


def test_slopes_of_units_of_a_fully_connected_layer_are_refused() -> None:
    with pytest.raises(ModelError, match="slope for each unit"):
        fold(NormPropLinear(3, 2, activation=nn.PReLU(2)))
    _same(nn.Sequential(NormPropConv2d(3, 2, 1, activation=nn.PReLU(2)), nn.Conv2d(2, 1, 1)), 3, 2, 2)
