"""The paper's Network in Network."""

import pytest
import torch
from torch import nn

from propstats.errors import DomainError
from propstats.nn import NormPropConv2d
from propstats.nn.models import nin

#: (inputs, filters, size) of the nine convolutions, as printed.
_PRINTED = [(3, 192, 5), (192, 160, 1), (160, 96, 1), (96, 192, 5), (192, 192, 1), (192, 192, 1), (192, 192, 5),
            (192, 192, 1), (192, 10, 1)]  # fmt: skip
_WEIGHTS = sum(i * o * k * k for i, o, k in _PRINTED)
_HIDDEN = sum(o for _, o, _ in _PRINTED[:-1])


@pytest.mark.parametrize(
    ("kind", "parameters"),
    [("normprop", _WEIGHTS + 2 * _HIDDEN + 10), ("batchnorm", _WEIGHTS + 2 * _HIDDEN + 10),
     ("none", _WEIGHTS + _HIDDEN + 10)],
)  # fmt: skip
def test_shapes_and_parameters(kind: str, parameters: int) -> None:
    model = nin(kind, generator=torch.Generator().manual_seed(0))
    assert sum(p.numel() for p in model.parameters()) == parameters
    convolutions = [m for m in model if isinstance(m, nn.Conv2d)]
    assert [(c.in_channels, c.out_channels, c.kernel_size[0]) for c in convolutions] == _PRINTED
    sizes, x = [], torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    for layer in model:
        x = layer(x)
        if isinstance(layer, nn.Conv2d | nn.MaxPool2d | nn.AvgPool2d):
            sizes.append(x.shape[-1])
    assert sizes == [32, 32, 16, 16, 16, 16, 8, 8, 4, 8, 8, 1]
    assert x.shape == (2, 10)
    assert sum(isinstance(m, NormPropConv2d) for m in model) == (8 if kind == "normprop" else 0)


def test_generators_decide_all_weights_and_nothing_else_moves() -> None:
    state = torch.get_rng_state()
    first, second = (nin(generator=torch.Generator().manual_seed(3), classes=100) for _ in range(2))
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    assert first(torch.zeros(1, 3, 32, 32)).shape == (1, 100)


def test_refusals() -> None:
    with pytest.raises(DomainError, match="one of normprop, batchnorm, none"):
        nin("layernorm")
    with pytest.raises(DomainError, match="gamma belong to NormProp layers"):
        nin("none", gamma=1.0)
