import pytest
import torch
from torch import nn

from propstats.simulation.matrix_free.operator import JacobianOperator, copies, formed


def _models() -> dict[str, nn.Module]:
    torch.manual_seed(0)
    return {
        "dense": nn.Sequential(nn.Linear(12, 9), nn.Tanh(), nn.Linear(9, 5)),
        "convolutional": nn.Sequential(
            nn.Unflatten(1, (3, 2, 2)), nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.GELU(), nn.MaxPool2d(2),
            nn.Flatten(), nn.LayerNorm(4), nn.Linear(4, 3), nn.Softmax(dim=1),
        ),
        "attention": nn.Sequential(
            nn.Unflatten(1, (3, 4)), nn.TransformerEncoderLayer(4, 2, 8, batch_first=True, dropout=0.0), nn.Flatten(),
        ),
        "constant": nn.Sequential(nn.Linear(12, 3), nn.Threshold(1e9, 2.0)),
    }  # fmt: skip


def _jacobian(model: nn.Module, x: torch.Tensor) -> torch.Tensor:
    x = x.clone().requires_grad_(True)
    outputs = model(x[None])[0]
    return torch.stack([torch.autograd.grad(y, x, retain_graph=True, materialize_grads=True)[0] for y in outputs])


def test_a_network_that_widens_is_formed_by_columns() -> None:
    generator = torch.Generator().manual_seed(0)
    model = nn.Linear(2, 7, bias=False)
    model.weight = nn.Parameter(torch.randn(7, 2, generator=generator))
    assert torch.equal(formed(JacobianOperator(model, torch.zeros(1, 2)))[0], model.weight.T.double())


@pytest.mark.parametrize("name", ["dense", "convolutional", "attention", "constant"])
def test_products_are_those_of_the_jacobian(name: str) -> None:
    with torch.random.fork_rng():
        model = _models()[name].double().eval()
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(4, 12, generator=generator, dtype=torch.float64)
    operator = JacobianOperator(model, x)
    u = torch.randn(4, operator.rows, generator=generator, dtype=torch.float64)
    v = torch.randn(4, operator.columns, generator=generator, dtype=torch.float64)
    for k in range(4):
        exact = _jacobian(model, x[k])
        assert torch.allclose(formed(operator)[k], exact, rtol=1e-12, atol=1e-13)
        assert torch.allclose(operator.times(v)[k], exact @ v[k], rtol=1e-12, atol=1e-13)
        assert torch.allclose(operator.transposed_times(u)[k], u[k] @ exact, rtol=1e-12, atol=1e-13)
    block = JacobianOperator(model, copies(x[2], 4))
    exact = _jacobian(model, x[2])
    assert torch.allclose(block.times(v), v @ exact.T, rtol=1e-12, atol=1e-13)
    assert all(parameter.grad is None for parameter in model.parameters())
