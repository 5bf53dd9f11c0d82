"""The rectifier in place: values, slopes of every kind, and no copy."""

import pytest
import torch
from oracle import oracle_moments

from propstats.nn.rectifier import rectified, rectified_moments

# torch's forward differentiation loads parts of itself by what it deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit.script:DeprecationWarning")

_LEAST = -0.3


def _plain(x: torch.Tensor) -> torch.Tensor:
    return rectified(x * 1.0, _LEAST)


def test_values_and_memory() -> None:
    x = torch.tensor([-1.0, _LEAST, 0.0, 2.0, float("nan"), float("inf")])
    y = rectified(x.clone(), _LEAST)
    assert y.equal(x.clamp_min(_LEAST)) or torch.allclose(y, x.clamp_min(_LEAST), equal_nan=True)
    own = x.clone()
    assert rectified(own, _LEAST).data_ptr() == own.data_ptr()
    half = torch.tensor([-1.0, -0.25], dtype=torch.bfloat16)
    assert torch.equal(rectified(half, _LEAST), half.clamp_min(_LEAST))


def test_slopes_backwards_forwards_and_twice() -> None:
    x = torch.randn(50, dtype=torch.double, generator=torch.Generator().manual_seed(0), requires_grad=True)
    assert torch.autograd.gradcheck(_plain, (x,), check_forward_ad=True)
    assert torch.autograd.gradgradcheck(lambda v: _plain(v).pow(3), (x,))


def test_transforms_of_functions() -> None:
    x = torch.randn(4, 5, generator=torch.Generator().manual_seed(0))
    slope = (x > _LEAST).float()
    assert torch.equal(torch.func.vmap(_plain)(x), x.clamp_min(_LEAST))
    assert torch.equal(torch.func.vmap(torch.func.grad(lambda v: _plain(v).sum()))(x), slope)
    assert torch.equal(torch.func.jvp(_plain, (x,), (torch.ones_like(x),))[1], slope)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_what_was_cut_off_has_no_slope(dtype: torch.dtype) -> None:
    # A third is no number of any of these types.
    for least in (-1 / 3, -0.683331696, 1 / 3):
        x = torch.linspace(-2, 2, 401, dtype=dtype, requires_grad=True)
        (slope,) = torch.autograd.grad(rectified(x * 1, least).sum(), x)
        cut = x.detach().double() < least
        assert not slope[cut].any()
        assert slope[x.detach().double() > least + 0.02].all()


@pytest.mark.parametrize(("mean", "std"), [(0.0, 1.0), (1.0, 1.0), (-2.0, 0.5), (3.0, 0.25), (-6.0, 1.0)])
def test_moments_of_the_rectifier_are_the_oracle_s(mean: float, std: float) -> None:
    first, variance = rectified_moments(*(torch.tensor(x, dtype=torch.float64) for x in (mean, std)))
    exact = oracle_moments("relu", mean, std)
    # Both are differences of numbers as large as mean and std.
    size = abs(mean) + std
    assert abs(first.item() - float(exact["mean"])) <= 1e-15 * size
    assert abs(variance.item() - float(exact["var"])) <= 4e-15 * size**2
