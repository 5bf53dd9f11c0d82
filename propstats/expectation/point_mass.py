"""The input that is a single number: every expectation is the function itself."""

import math
from collections.abc import Mapping
from sys import float_info

from propstats.activations.activation import Activation
from propstats.estimate import Estimate, Route
from propstats.expectation.derived import complete
from propstats.expectation.rounding import UNDEFINED, Rounded, evaluate_rounded


def point_mass(activation: Activation, x: float, route: Route) -> Mapping[str, Estimate]:
    """Return the base moments and derived quantities for an input that always equals `x`.

    >>> from propstats.activations import activation
    >>> {k: e.value for k, e in point_mass(activation("relu"), 3.0, Route.CLOSED_FORM).items() if e.value}
    {'mean': 3.0, 'second_moment': 9.0, 'mean_slope': 1.0, 'slope_second_moment': 1.0, 'linear_slope': 1.0, ...}
    """
    symbols = {"x": Rounded(x)} | {name: Rounded(value) for name, value in activation.params.items()}
    value = evaluate_rounded(activation.formula, symbols)
    slope = evaluate_rounded(activation.slope_formula, symbols)
    base = {
        "mean": value,
        "second_moment": _square(value),
        "var": Rounded(0.0),
        "mean_slope": slope,
        "slope_second_moment": _square(slope),
        "linear_slope": slope,
        "var_rate": Rounded(0.0),
    }
    return complete(base, 0.0, route)


def _square(number: Rounded) -> Rounded:
    square = number.value * number.value
    error = number.error * (2 * abs(number.value) + number.error) + float_info.epsilon * square
    return Rounded(square, error) if math.isfinite(square + error) else UNDEFINED
