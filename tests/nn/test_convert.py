"""Conversion: what is kept, what is refused, by name."""

from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.utils.parametrizations import weight_norm

from propstats.errors import DomainError, ModelError
from propstats.nn import GlobalNormalization, NormPropConv2d, NormPropConvTranspose1d, NormPropLinear, convert
from propstats.nn.models import nin


def test_the_networks_of_the_paper() -> None:
    for kind in ("batchnorm", "none"):
        found, wanted = convert(nin(kind)), nin()
        assert str(found) == str(wanted)
        assert found(torch.zeros(2, 3, 32, 32)).shape == (2, 10)
    plain, state = nn.Sequential(nn.Linear(2, 2), nn.ReLU()), torch.get_rng_state()
    convert(plain)
    assert torch.equal(torch.get_rng_state(), state)


def test_directions_and_what_units_learned_are_kept() -> None:
    plain: Any = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))
    found: Any = convert(plain, gamma=1.0)
    x = torch.randn(50, 4)
    assert torch.equal(found[0].weight, plain[0].weight)
    assert found[0].weight is not plain[0].weight
    # The same units are on: a ReLU has no scale.
    least = found[0](x).min()
    assert torch.equal(found[0](x) > least + 1e-6, plain[1](plain[0](x)) > 1e-6)
    assert torch.equal(found[1].weight, plain[2].weight)

    normed: Any = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.PReLU(3))
    with torch.no_grad():
        normed[1].weight.copy_(torch.tensor([0.5, 1.0, 2.0]))
        normed[1].bias.copy_(torch.tensor([-1.0, 0.0, 1.0]))
        normed[2].weight.copy_(torch.tensor([0.1, 0.2, 0.3]))
    found = convert(normed, gamma=0.5)
    torch.testing.assert_close(found[0].gamma.detach(), torch.tensor([0.25, 0.5, 1.0]))
    torch.testing.assert_close(found[0].beta.detach(), torch.tensor([-0.5, 0.0, 0.5]))
    torch.testing.assert_close(found[0].slope.detach(), torch.tensor([0.1, 0.2, 0.3]))


def test_kinds_options_and_nesting() -> None:
    model = nn.Sequential(
        nn.Sequential(nn.Conv2d(1, 4, 3, stride=2, padding=1, groups=1, bias=False), nn.BatchNorm2d(4, affine=False)),
        nn.Hardtanh(-0.5, 2.0), nn.Sequential(nn.MaxPool2d(2), nn.Flatten(2)),
        nn.ConvTranspose1d(4, 2, 2, output_padding=1, stride=2), nn.GELU("tanh"), nn.Identity(),
    ).double()  # fmt: skip
    found: Any = convert(model, constants="matched", gamma=0.9)
    assert isinstance(found[0], NormPropConv2d)
    assert isinstance(found[3], NormPropConvTranspose1d)
    assert found[0].activation.params == {"min_val": -0.5, "max_val": 2.0}
    assert (found[0].constants, found[3].activation.name, found[0].weight.dtype) == (
        "matched", "gelu_tanh", torch.double,
    )  # fmt: skip
    x = torch.randn(2, 1, 8, 8, dtype=torch.double)
    assert found(x).shape == model(x).shape


class _Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(3, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.add(x, self.inner(x))


def test_what_was_frozen_or_without_storage_stays_so() -> None:
    model: Any = nn.Sequential(
        GlobalNormalization(torch.zeros(3), torch.ones(3)), nn.Linear(3, 3), nn.BatchNorm1d(3), nn.ReLU(),
        nn.Linear(3, 3), nn.PReLU(), nn.Linear(3, 2), nn.LogSoftmax(1),
    )  # fmt: skip
    model[1].weight.requires_grad_(False)
    model[2].bias.requires_grad_(False)
    model[4].requires_grad_(False)
    model[5].requires_grad_(False)
    found = convert(model.eval())
    learned = {name for name, parameter in found.named_parameters() if parameter.requires_grad}
    assert learned == {"1.gamma", "3.weight", "3.bias"}
    assert not found.training
    assert convert(model.train()).training
    assert {p.device.type for p in convert(model.to("meta")).parameters()} == {"meta"}


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_stays(dtype: torch.dtype) -> None:
    model = nn.Sequential(nn.Conv2d(2, 4, 3, groups=2), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 2, 1)).to(dtype)
    found = convert(model)
    assert {tensor.dtype for tensor in found.parameters()} == {dtype}
    assert found(torch.zeros(1, 2, 4, 4, dtype=dtype)).isfinite().all()


def test_an_activation_may_be_applied_at_several_places() -> None:
    act = nn.Tanh()
    found = convert(nn.Sequential(nn.Linear(3, 3), act, nn.Linear(3, 3), act, nn.Linear(3, 2)))
    assert [type(part) for part in found] == [NormPropLinear, NormPropLinear, nn.Linear]


_TIED = nn.Linear(3, 3)
_HOOKED = nn.Linear(3, 3)
_HOOKED.register_forward_hook(lambda *seen: None)


@pytest.mark.parametrize(
    ("layers", "name", "why"),
    [
        ((_TIED, nn.ReLU(), nn.Linear(3, 3), nn.ReLU(), _TIED), "4 (Linear)", "shares a parameter with 0"),
        ((_HOOKED, nn.ReLU()), "0 (Linear)", "hooks, which would be lost"),
        ((weight_norm(nn.Linear(3, 3)), nn.ReLU()), "0 (ParametrizedLinear)", "weights are made of others"),
        ((nn.LazyLinear(3), nn.ReLU()), "0 (LazyLinear)", "run the model once"),
        ((nn.Linear(3, 4), nn.BatchNorm1d(3), nn.ReLU()), "1 (BatchNorm1d)", "0 has 4 units, and it is for 3"),
        ((nn.Linear(3, 3), nn.Softmax(1), nn.Linear(3, 3)), "1 (Softmax)", "nothing like it"),
        ((nn.Linear(3, 3), nn.Dropout(), nn.ReLU()), "1 (Dropout)", "changes the distribution"),
        ((nn.Linear(3, 3), nn.LayerNorm(3), nn.ReLU()), "1 (LayerNorm)", "it normalises"),
        ((nn.Linear(3, 3), nn.LayerNorm(3), nn.ReLU(), nn.Linear(3, 3)), "1 (LayerNorm)", "it normalises"),
        ((nn.BatchNorm1d(3), nn.Linear(3, 3), nn.ReLU()), "0 (BatchNorm1d)", "does not follow a layer of weights"),
        ((nn.Linear(3, 3), nn.Linear(3, 3), nn.ReLU()), "0 (Linear)", "no activation follows"),
        ((nn.Linear(3, 3), nn.ReLU(), nn.Linear(3, 3), nn.BatchNorm1d(3)), "3 (BatchNorm1d)", "no activation follows"),
        ((nn.ReLU(), nn.Linear(3, 3)), "0 (ReLU)", "does not follow"),
        ((nn.Sequential(nn.Linear(3, 3), nn.ReLU()), _Residual()), "1 (_Residual)", "forward of its own"),
        ((nn.Sequential(nn.Identity(), nn.LSTM(3, 3)),), "0.1 (LSTM)", "nothing like it"),
        ((NormPropLinear(3, 3),), "0 (NormPropLinear)", "converted already"),
    ],
    ids=lambda value: str(value)[:24],
)
def test_refusals_name_the_layer_and_the_reason(layers: tuple[nn.Module, ...], name: str, why: str) -> None:
    with pytest.raises(ModelError) as caught:
        convert(nn.Sequential(*layers))
    assert f"cannot convert {name}: " in str(caught.value)
    assert why in str(caught.value)
    assert "\n" not in str(caught.value)


def test_only_to_normprop() -> None:
    with pytest.raises(DomainError, match="'normprop', got 'fixup'"):
        convert(nn.Sequential(), like="fixup")
    with pytest.raises(ModelError, match="model \\(_Residual\\)"):
        convert(_Residual())
    nothing: Any = "model.pt"
    with pytest.raises(ModelError, match=r"only convert a torch.nn.Module, got str"):
        convert(nothing)


@pytest.mark.parametrize(
    ("act", "options", "why"),
    [(nn.PReLU(2), {}, "2 slopes do not fit 3 units"), (nn.ReLU(), {"gamma": -1.0}, "gamma must be positive, got -1")],
)
def test_layers_that_cannot_be_made_are_named(act: nn.Module, options: dict[str, Any], why: str) -> None:
    with pytest.raises(DomainError, match=rf"cannot convert 1.0 \(Linear\): {why}"):
        convert(nn.Sequential(nn.Flatten(), nn.Sequential(nn.Linear(3, 3), act)), **options)
