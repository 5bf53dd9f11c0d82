"""The careful way: panels are halved until nothing is left unresolved."""

import math

import pytest

from propstats.activations import Activation
from propstats.expectation import quadrature


@pytest.mark.parametrize("sharpness", [10.0, 1e3, 1e6])
def test_adaptive_panels_find_a_narrow_feature(sharpness: float) -> None:
    """A steep tanh away from every prepared edge: E[tanh(k (x - c))] tends to 1 - 2 Phi(c), at 1/k^2."""
    centre = 0.4321
    entry = Activation("steep", f"tanh({sharpness}*(x - {centre}))")
    found = quadrature.moments(entry)["mean"]
    exact = 1 - 2 * 0.5 * math.erfc(-centre / math.sqrt(2))
    # Euler-Maclaurin: the next term is pi^2/12 density'(c)/k^2, below 1/k^2.
    assert abs(found.value - exact) <= found.error + 1 / sharpness**2
    assert found.error < 1e-13


def test_what_does_not_converge_says_so() -> None:
    """A jump that is not declared (round-off noise of a huge sine): the error must own up."""
    entry = Activation("noise", "sin(1e17*x)")
    found = quadrature.moments(entry)["second_moment"]
    assert found.error > 1e-3
