"""Deep Kernel Shaping: zero mean, unit variance, a stable second moment, and a given slope of the correlation map."""

import math

from propstats.activations import Activation
from propstats.activations import activation as named
from propstats.errors import DomainError
from propstats.expectation import quadrature
from propstats.theory.transformed.activation import Transformed
from propstats.theory.transformed.solve import STARTS, solve


def shape(activation: Activation, slope: float, *, q_slope: float | None = 1.0) -> Transformed:
    """Return the activation with C(0) = 0, Q(1) = 1, Q'(1) = q_slope and C'(1) = slope.

    With the input `y ~ N(input_shift, input_scale^2)` of the base, the first two conditions are its normalisation,
    `output_shift = -E[phi(y)]` and `output_scale = 1/sqrt(Var phi(y))`; Q'(1) then is its `stability_slope`, and C'(1)
    the square of its `jacobian_factor`.

    Args:
        activation: phi.
        slope: The slope of the local correlation map at 1, above 1: what a layer multiplies a gradient's second moment
            by (from `propstats.theory.transformed.local_slope`).
        q_slope: The slope of the second moment's map at 1. None leaves it open and takes an input shift of 1 or -1: a
            ReLU has but one constant to choose.

    Raises:
        DomainError: If no constants were found that do it.

    References:
        Martens et al. 2021, arXiv:2110.01765, Eq. 13.

    >>> from propstats.activations import activation
    >>> {name: round(value, 6) for name, value in shape(activation("erf"), 1.01).constants.items()}
    {'input_scale': 0.123349, 'input_shift': -0.592455, 'output_shift': 0.590852, 'output_scale': 10.201833}
    """
    if not 1.0 < slope < math.inf:
        raise DomainError(f"slope must be above 1, got {slope:g}", "by Poincare's inequality only lines have 1 or less")

    def conditions(scale: float, shift: float) -> tuple[float, ...]:
        found = quadrature.moments(activation, mean=shift, std=scale)
        first = () if q_slope is None else (found["stability_slope"].value - q_slope,)
        return *first, found["jacobian_factor"].value ** 2 - slope

    if q_slope is None:
        # Above its kink more of a ReLU is a line than at it, and below it less.
        at_kink = quadrature.moments(activation, mean=0.0, std=1.0)["jacobian_factor"].value ** 2
        side = 1.0 if slope < at_kink else -1.0
        (scale,) = solve(lambda s: conditions(s, side), [(s,) for s in (1.0, 0.1)], f"shapes {activation}")
        shift = side
    else:
        scale, shift = solve(conditions, STARTS, f"shapes {activation}")
    found = quadrature.moments(activation, mean=shift, std=scale)
    return Transformed(activation, scale, shift, -found["mean"].value, found["unit_variance_gain"].value)


def shape_leaky(slope: float) -> Transformed:
    """Return the leaky ReLU with C(0) = 0, Q(1) = 1, Q'(1) = 1 and C'(1) = slope.

    Being homogeneous it has Q'(1) = 1 without a shift, and its negative slope a to choose. Its
    `jacobian_factor^2 = 1/(1 - (1 - a)^2/(pi (1 + a^2)))` is solved for a.

    Args:
        slope: The slope of the local correlation map at 1, between 1 (a line) and 1.4669 (a ReLU).

    Raises:
        DomainError: If the slope is outside.

    References:
        Martens et al. 2021, arXiv:2110.01765, section 24.

    >>> round(shape_leaky(1.4669422069242604).base.params["negative_slope"], 9)  # a ReLU: NormProp's 1.2112^2
    0.0
    """
    bent = math.pi * (1.0 - 1.0 / slope) if slope >= 1.0 else math.nan
    if not 0.0 <= bent <= 1.0 + 1e-15:
        raise DomainError(f"slope must lie between 1 and 1.4669 (a ReLU's) for a leaky ReLU, got {slope:g}")
    # (1 - a)^2 = bent (1 + a^2)
    straight = max(1.0 - bent, 0.0)
    unit = named("leaky_relu", negative_slope=straight / (1.0 + math.sqrt(1.0 - straight**2)))
    found = quadrature.moments(unit)
    return Transformed(unit, 1.0, 0.0, -found["mean"].value, found["unit_variance_gain"].value)
