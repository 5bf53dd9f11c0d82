import math

import pytest

from propstats.activations import activation
from propstats.errors import DomainError
from propstats.theory.design.candidates import WAYS

_MADE = {name: make for name, _, make in WAYS}


@pytest.mark.parametrize("depth", [1, 10, 200])
@pytest.mark.parametrize("growth", [1.1, 2.0, 30.0])
@pytest.mark.parametrize("name", ["leaky", "shaped", "two scales"])
def test_growth_is_what_was_asked_for(name: str, growth: float, depth: int) -> None:
    if name == "leaky" and growth ** (1 / depth) > 1.4669:
        growth = 1.4669**depth
    try:
        recipe = _MADE[name](activation("tanh"), depth, growth)
    except DomainError:  # a tanh in one layer cannot be that steep
        assert name == "shaped"
        assert growth ** (1 / depth) > 1.2
        return
    _, log_growth = recipe.unit.trajectory(depth)
    found = log_growth + 2 * depth * math.log(recipe.backward_scale)
    assert found == pytest.approx(math.log(growth), rel=1e-8)


def test_biased_relu_stays_below() -> None:
    recipe = _MADE["biased"](activation("relu"), 50, 2.0)
    q, log_growth = recipe.unit.trajectory(50)
    assert 0.99 * math.log(2) <= log_growth <= math.log(2)
    assert q[-1] == pytest.approx(1.0, abs=1e-9)
    assert recipe.constants["gamma"] == 1.0


def test_the_papers_gamma() -> None:
    recipe = _MADE["paper"](activation("relu"), 9, 2.0)
    assert recipe.constants["gamma"] == pytest.approx(1 / 1.2111738962363166, rel=1e-12)
    assert recipe.constants["shift"] == pytest.approx(1 / math.sqrt(2 * math.pi), rel=1e-12)


def test_shaping_says_what_it_cannot_do() -> None:
    with pytest.raises(DomainError, match="relu"):
        _MADE["shaped"](activation("relu"), 50, 2.0)
