import math

import pytest

from propstats.activations import activation
from propstats.estimate import Quantity, Route
from propstats.theory.unit import quantities
from propstats.theory.weights.factors import Factors, factors, std_of
from propstats.theory.weights.fans import Connections, dense
from propstats.theory.weights.schemes import weight_scheme


def _factors(name: str, scheme: str, layer: Connections, std: float = 1.0) -> Factors:
    act = activation(name)
    found, standard = (quantities(act, std=s, digits=None)[0] for s in (std, 1.0))
    return factors(weight_scheme(scheme), act, layer, found, standard, std=std, depth=4)


@pytest.mark.parametrize("std", [0.1, 1.0, 7.0])
def test_rectifiers_do_not_feel_the_scale(std: float) -> None:
    found = _factors("relu", "he", dense(30, 60), std)
    for estimate, exact in ((found.forward, 1.0), (found.variance, 1 - 1 / math.pi), (found.backward, 2.0)):
        assert abs(estimate.value - exact) <= estimate.error + 2**-52


def test_biases_are_in_the_second_moment_alone() -> None:
    found = _factors("tanh", "torch", dense(30, 30), std=2.0)
    mean_square = (found.forward.value * 4 - 1 / 90) / found.gain
    assert math.isclose(mean_square, found.variance.value * 4 / found.gain, rel_tol=1e-13)  # tanh has mean 0


def test_normprop_at_its_own_scale_is_canonical_whatever_the_activation() -> None:
    for name in ("relu", "sigmoid", "softplus", "gelu"):
        found = _factors(name, "normprop", dense(30, 30))
        assert abs(found.forward.value - 1) <= found.forward.error
        assert abs(found.variance.value - 1) <= found.variance.error
        assert found.forward.error < 1e-12


def test_normprop_of_what_does_not_vary_is_no_number() -> None:
    """Far below zero every input gives the same output: there is no deviation to divide by."""
    act = activation("step")
    far, _ = quantities(act, mean=-60.0, digits=None)
    found = factors(weight_scheme("normprop"), act, dense(3, 3), far, far, std=1.0, depth=1)
    assert not found.forward.is_defined


def test_fixup_asks_for_the_depth() -> None:
    assert math.isclose(_factors("relu", "fixup", dense(8, 8)).gain, 2 / 4)


def test_std_of() -> None:
    half = Quantity(0.5, 1e-16, Route.CLOSED_FORM, None, {}, True, None)
    assert math.isclose(std_of(8.0, half, 1.0).value, 0.5, rel_tol=2**-51)
    assert std_of(8.0, half, 1.0).error < 1e-14
    nothing = Quantity(0.0, 0.0, Route.QUADRATURE, None, {}, True, None)
    assert std_of(8.0, nothing, 1.0).value == math.inf
