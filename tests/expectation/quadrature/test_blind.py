"""Kinks where no node looks."""

import math
from dataclasses import replace

import numpy as np
import pytest

from propstats.activations import Activation
from propstats.activations.own import from_expression
from propstats.expectation import quadrature
from propstats.expectation.quadrature import adaptive
from propstats.expectation.quadrature.branches import branches


@pytest.mark.parametrize(
    ("formula", "mean", "std", "slope"),
    [
        # Twenty digits, by mpmath between the crossings of the three functions.
        ("exp(-abs(max(max(x*x, atan(x)), -1.91 - 3*x)))", 0.3, 1.7, -0.031723618675099833),
        ("atan(atan(x*x))*max(atan(x)*atan(x), cos(log(1 + abs(x))))", -2.0, 0.5, -0.51532841226348386),
    ],
)
def test_unsettled_formulas_against_twenty_digits(formula: str, mean: float, std: float, slope: float) -> None:
    """Halving brought a kink so close to the end of a panel that both rules missed it: 1e-10 instead of 1e-15."""
    entry = from_expression(formula)
    assert not entry.is_settled
    found = quadrature.moments(entry, mean=mean, std=std)["mean_slope"]
    assert abs(found.value - slope) <= found.error <= 1e-13


@pytest.mark.parametrize("gap", [1e-3, -1e-5, 3e-7, -1e-9, 1e-12])
@pytest.mark.parametrize("end", [0.0, 1.0, -2.5, 0.625])
def test_kinks_beside_the_ends_of_panels_are_found(end: float, gap: float) -> None:
    """E[(x^2 > c) x'] is a probability, with nobody told where the kinks are."""
    kink = end + gap
    entry = Activation("own", "where((x - kink)**3 > 0, x, 0)", {"kink": kink})
    own = replace(branches(entry), suspects=(), kinks=(), is_settled=False, parts=(branches(entry).whole,))
    values, errors = adaptive.integrate(own, 0.0, 1.0)
    exact = math.erfc(kink / math.sqrt(2)) / 2
    assert abs(values["mean_slope"] - exact) <= errors["mean_slope"] <= 1e-12
    density = np.exp(-0.5 * kink * kink) / math.sqrt(2 * math.pi)
    assert abs(values["mean"] - density) <= errors["mean"] <= 1e-12
