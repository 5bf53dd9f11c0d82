"""The input that is a single number: every expectation is the function itself."""

from collections.abc import Mapping

from propstats.activations.activation import Activation
from propstats.estimate import Estimate, Route
from propstats.expectation.moments import derived_formulas
from propstats.expectation.rounding import Rounded, evaluate_rounded


def point_mass(activation: Activation, x: float, route: Route) -> Mapping[str, Estimate]:
    """Return the base moments and derived quantities for an input that always equals `x`.

    >>> from propstats.activations import activation
    >>> {k: e.value for k, e in point_mass(activation("relu"), 3.0, Route.CLOSED_FORM).items() if e.value}
    {'mean': 3.0, 'second_moment': 9.0, 'mean_slope': 1.0, 'slope_second_moment': 1.0, 'std': 1.0, ...}
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
        "var_rate": Rounded(0.0),
    }
    derived = {
        name: evaluate_rounded(formula, {"s": Rounded(0.0), **base}) for name, formula in derived_formulas().items()
    }
    return {name: Estimate(r.value, r.error, route) for name, r in (base | derived).items()}


def _square(number: Rounded) -> Rounded:
    return Rounded(number.value**2, 2 * abs(number.value) * number.error)
