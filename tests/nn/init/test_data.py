"""Unit variance on data, forwards and backwards, measured by other means than the initialiser's own."""

import pytest
import torch
from torch import nn

from propstats.errors import DataError, DomainError, ModelError
from propstats.nn import NormPropLinear
from propstats.nn.init import Residual, lsuv_, lsuv_backward_, orthogonal_


def _model(act: type[nn.Module], *arguments: object) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(2, 8, 3, padding=1), nn.BatchNorm2d(8, affine=False), act(*arguments), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(72, 32), act(*arguments), nn.Linear(32, 32), act(*arguments), nn.Linear(32, 5),
    )  # fmt: skip


_DATA = torch.randn(200, 2, 6, 6, generator=torch.Generator().manual_seed(0)) * 3 + 1


@pytest.mark.parametrize("act", [nn.ReLU, nn.Tanh, nn.GELU])
@pytest.mark.parametrize("std", [1.0, 0.5])
def test_every_layer_puts_out_unit_variance(act: type[nn.Module], std: float) -> None:
    model = _model(act).train()
    found = lsuv_(model, _DATA, std=std)
    assert model.training
    assert list(found) == ["0", "5", "7", "9"]
    model.eval()
    x = _DATA
    for layer in model:
        x = layer(x).detach()
        if isinstance(layer, nn.Conv2d | nn.Linear):
            assert float(x.std()) == pytest.approx(std, rel=0.01)


@pytest.mark.parametrize("act", [nn.ReLU, nn.Tanh, nn.GELU])
def test_every_layer_hands_back_unit_gradients(act: type[nn.Module]) -> None:
    model = _model(act)
    generator = torch.Generator().manual_seed(4)
    found = lsuv_backward_(model, _DATA, generator=generator)
    assert list(found) == ["0", "5", "7", "9"]
    model.eval()
    # The same gradients of the output, through the layers one by one.
    values = [_DATA.clone().requires_grad_()]
    for layer in model:
        values.append(layer(values[-1]))
    judge = torch.Generator().manual_seed(4)
    orthogonal_(_model(act), generator=judge)
    seed = int(torch.randint(2**31, (), generator=judge))
    gradient = torch.randn(values[-1].shape, generator=torch.Generator().manual_seed(seed))
    gradients = torch.autograd.grad(values[-1], [values[k] for k in (0, 5, 7, 9)], gradient)
    for own in gradients:
        assert float(own.square().mean().sqrt()) == pytest.approx(1.0, rel=0.01)


def test_rectifiers_in_place_and_repeated_calls_are_measured_rightly() -> None:
    plain, inplace = _model(nn.ReLU), _model(nn.ReLU, True)
    for initialise in (lsuv_, lsuv_backward_):
        found = [initialise(model, _DATA) for model in (plain, inplace)]
        assert found[0] == pytest.approx(found[1], rel=1e-5)
    for own, other in zip(plain.parameters(), inplace.parameters(), strict=True):
        torch.testing.assert_close(own, other)


def test_branches_and_generators() -> None:
    model = nn.Sequential(nn.Linear(6, 6), Residual(nn.Sequential(nn.Tanh(), nn.Linear(6, 6))), nn.Linear(6, 2))
    x = torch.randn(100, 6, generator=torch.Generator().manual_seed(0))
    state = torch.get_rng_state()
    first = lsuv_(model, x, generator=torch.Generator().manual_seed(1))
    weights = [p.detach().clone() for p in model.parameters()]
    lsuv_(model, x, generator=torch.Generator().manual_seed(1))
    assert list(first) == ["0", "1.branch.1", "2"]
    assert all(torch.equal(a, b) for a, b in zip(weights, model.parameters(), strict=True))
    lsuv_(model, x, orthogonal=False)
    assert torch.equal(torch.get_rng_state(), state)


def test_refusals() -> None:
    x = torch.randn(10, 3)
    with pytest.raises(ModelError, match="1 is a NormProp layer"):
        lsuv_(nn.Sequential(nn.Linear(3, 3), NormPropLinear(3, 3)), x)
    with pytest.raises(ModelError, match="0 puts out nothing to scale"):
        lsuv_(nn.Sequential(nn.Linear(3, 3)), torch.zeros(4, 3))
    with pytest.raises(ModelError, match="1 hands back nothing to scale"):
        lsuv_backward_(nn.Sequential(nn.Identity(), nn.Linear(3, 3), nn.Threshold(1e9, 0.0)), x)
    with pytest.raises(ModelError, match="no layers of weights"):
        lsuv_(nn.ReLU(), x)
    with pytest.raises(ModelError, match="the model puts out nothing to scale"):
        lsuv_(nn.Linear(3, 1), x[:1])
    with pytest.raises(DataError, match="have no gradients"):
        lsuv_backward_(nn.Sequential(nn.Embedding(5, 3), nn.Linear(3, 2)), torch.zeros(4, dtype=torch.long))
    with pytest.raises(DomainError, match="must be positive"):
        lsuv_(nn.Linear(3, 3), x, std=0.0)
