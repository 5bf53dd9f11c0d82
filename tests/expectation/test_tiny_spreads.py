"""Spreads near the end of the floats: routes agree, and no error is smaller than what is missing."""

import math

import pytest

from propstats.activations import activation
from propstats.expectation import closed_form, quadrature


@pytest.mark.parametrize("name", ["erf", "relu", "gelu", "sin", "tanh", "square"])
@pytest.mark.parametrize("std", [1e-150, 1e-300, 1e-308])
def test_var_rate_is_the_squared_slope_times_the_variance(name: str, std: float) -> None:
    """To first order in the spread: `s^2 phi'(mu)^2`, which is 0 in floats from 1e-162 down."""
    entry = activation(name)
    exact = (std * float(entry.slope(1.0))) ** 2
    for route in (closed_form, quadrature):
        found = route.moments(entry, mean=1.0, std=std).get("var_rate")
        if found is not None:
            assert math.isfinite(found.value)
            assert abs(found.value - exact) <= found.error + 1e-13 * exact + 5e-324
