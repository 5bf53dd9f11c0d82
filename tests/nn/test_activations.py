"""Torch's kernels and formulas are the same functions."""

import pytest
import torch

from propstats.activations import activation, activation_names
from propstats.nn.activations import Elementwise, activation_module, is_rectifier


@pytest.mark.parametrize("name", activation_names())
def test_modules_apply_the_formula(name: str) -> None:
    act = activation(name)
    for found in (act, act.with_params(**{key: value * 0.75 for key, value in act.params.items()})):
        module = activation_module(found).eval()
        x = torch.linspace(-8, 8, 321, dtype=torch.double)
        # torch's softplus is linear above its threshold, its gelu and others round by some units in the last place.
        torch.testing.assert_close(module(x), found(x), rtol=1e-12, atol=1e-12)
        assert not list(module.parameters())


def test_own_formulas_and_look_alikes() -> None:
    own = activation("x*tanh(x)")
    assert isinstance(activation_module(own), Elementwise)
    assert [name for name in activation_names() if is_rectifier(activation(name))] == ["relu"]
    assert not is_rectifier(activation("prelu", a=0.0))
