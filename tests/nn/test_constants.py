"""The constants as tensors against the engine's quadrature, and their derivatives against autograd's judge."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from propstats.activations import activation, activation_names
from propstats.errors import DomainError
from propstats.expectation import quadrature
from propstats.nn.constants import SMALLEST, matched_constants, unit_constants

#: Ten digits for everything smooth on the scale of a panel, times what the numbers are made of.
_RULE = 1e-9


def _compare(name: str, mean: float, std: float) -> None:
    act = activation(name)
    found = quadrature.moments(act, mean=mean, std=std)
    c1, c2 = matched_constants(act, torch.tensor([mean], dtype=torch.double), torch.tensor([std], dtype=torch.double))
    exact = max(found["normprop_scale"].value, SMALLEST)
    size = exact + abs(found["mean"].value)  # what is off in c2 counts beside c1, which divides it
    assert abs(c2.item() - found["mean"].value) <= _RULE * size + found["mean"].error
    assert abs(c1.item() - exact) <= _RULE * size + found["normprop_scale"].error


@pytest.mark.parametrize("name", sorted(set(activation_names()) - {"exp"}))
def test_every_activation_has_the_constants_of_the_engine(name: str) -> None:
    _compare(name, 0.0, 1.0)
    _compare(name, 0.3, 0.8)


@given(
    mean=st.floats(-3, 3), std=st.floats(0.05, 2.0), name=st.sampled_from(["relu", "tanh", "gelu", "elu", "hardtanh"])
)
def test_constants_at_any_gaussian(mean: float, std: float, name: str) -> None:
    _compare(name, mean, std)


@pytest.mark.parametrize("name", ["relu", "prelu", "tanh", "selu", "hardswish"])
def test_constants_are_differentiable(name: str) -> None:
    act = activation(name)
    mean = torch.tensor([-0.4, 0.0, 1.0], dtype=torch.double, requires_grad=True)
    std = torch.tensor([0.5, 1.0, 1.5], dtype=torch.double, requires_grad=True)
    assert torch.autograd.gradcheck(lambda m, s: matched_constants(act, m, s), (mean, std))


def test_the_derivative_of_the_mean_is_the_mean_slope() -> None:
    for name in ("relu", "gelu", "softplus"):
        mean = torch.tensor([0.25], dtype=torch.double, requires_grad=True)
        _, c2 = matched_constants(activation(name), mean, torch.ones(1, dtype=torch.double))
        (slope,) = torch.autograd.grad(c2.sum(), mean)
        exact = quadrature.moments(activation(name), mean=0.25)["mean_slope"]
        assert abs(slope.item() - exact.value) <= _RULE + exact.error


@given(slope=st.floats(-0.9, 3.0))
def test_prelu_follows_its_slope(slope: float) -> None:
    a = torch.tensor([slope], dtype=torch.double)
    zero, one = torch.zeros_like(a), torch.ones_like(a)
    c1, c2 = matched_constants(activation("prelu"), zero, one, {"a": a})
    # Remark 2
    assert c2.item() == pytest.approx((1 - slope) / (2 * torch.pi) ** 0.5, abs=_RULE)
    assert c1.item() ** 2 == pytest.approx(((1 + slope**2) - (1 - slope) ** 2 / torch.pi) / 2, abs=_RULE)


def test_an_activation_without_variance_has_no_constants() -> None:
    with pytest.raises(DomainError, match="no variance"):
        unit_constants(activation("threshold", threshold=-1e9, value=0.0).with_params(threshold=1e9))
