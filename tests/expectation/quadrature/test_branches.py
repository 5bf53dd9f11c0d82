"""Activations cut into smooth, compiled branches."""

import math

import numpy as np
import pytest

from propstats.activations import Activation, activation, activation_names
from propstats.expectation.quadrature.branches import branches, kinks_at, power


@pytest.mark.parametrize("name", activation_names())
def test_branches_are_the_activation(name: str) -> None:
    entry = activation(name)
    own = branches(entry)
    x = np.linspace(-5.0, 5.0, 501) + 1e-3
    which = np.searchsorted([kink.at for kink in own.kinks], x)
    for i, part in enumerate(own.parts):
        here = x[which == i]
        if here.size:
            for found, expected in zip(part(here, *own.params.values()), (entry(here), entry.slope(here)), strict=True):
                # Powers as products are rounded otherwise, and exponentials magnify that by their argument.
                assert np.allclose(found + 0.0 * here, expected, rtol=64 * 2.0**-52, atol=0.0)


@pytest.mark.parametrize("name", activation_names())
def test_jumps_are_those_of_the_activation(name: str) -> None:
    entry = activation(name)
    found = [(kink.at, kink.jump) for kink in branches(entry).kinks if kink.jump]
    assert found == [pytest.approx(jump, rel=1e-12) for jump in entry.jumps]


def test_kinks_of_many_parameters_at_once() -> None:
    own = branches(activation("softshrink"))
    kinks = kinks_at(own.parts, own.ends, {"lambd": np.array([0.5, 2.0])})
    assert [kink.at.tolist() for kink in kinks] == [[-0.5, -2.0], [0.5, 2.0]]
    assert not any(np.any(kink.jump) for kink in kinks)


def test_a_rounded_kink_knows_its_error() -> None:
    (kink,) = branches(Activation("own", "max(3*x - 1, 0)")).kinks
    assert 0.0 < abs(kink.at - 1 / 3) + kink.error < 2.0**-52


@pytest.mark.parametrize("exponent", [2.0, 3.0, 7.0, 8.0, -1.0, 0.5, 40.0])
def test_powers(exponent: float) -> None:
    u = np.array([0.3, 1.7, 11.0])
    exact = [math.pow(v, exponent) for v in u.tolist()]
    assert np.allclose(power(u, exponent), exact, rtol=8 * 2.0**-52, atol=0.0)


def test_steep_means_faster_than_in_proportion() -> None:
    steep = {name for name in activation_names() if branches(activation(name)).is_steep}
    assert steep == {"square", "cube", "relu_squared", "exp"}


def test_unsettled_activations_are_one_branch() -> None:
    own = branches(Activation("own", "where(x**2 > 2, x, 0)"))
    assert not own.is_settled
    assert len(own.parts) == 1
