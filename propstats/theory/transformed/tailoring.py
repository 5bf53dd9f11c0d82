"""Tailored activation transformations: a slope of 1 at perfect correlation, and a given curvature."""

import math
from collections.abc import Callable

from propstats.activations import Activation
from propstats.activations import activation as named
from propstats.activations.syntax import str_of
from propstats.errors import DomainError
from propstats.expectation import quadrature
from propstats.theory.transformed.activation import Transformed
from propstats.theory.transformed.solve import STARTS, solve

#: A jump that is no kink: at its threshold, torch's softplus leaves one of 2e-9.
_SMALL = 1e-6
#: Solutions that multiply slopes by more have second moments that do not stay.
_STEEPEST = 2.0


def tailor(activation: Activation, curvature: float) -> Transformed:
    """Return the smooth activation with Q(1) = 1, Q'(1) = 1, C'(1) = 1 and C''(1) = curvature.

    With the input `y ~ N(input_shift, input_scale^2)` of the base, C'(1) = 1 demands that the second moment after the
    output shift is `input_scale^2 E[phi'(y)^2]`, larger than the variance: a mean is left, of either sign.

    Args:
        activation: phi, without kinks.
        curvature: The curvature of the local correlation map at 1, positive (from
            `propstats.theory.transformed.local_curvature`).

    Raises:
        DomainError: If phi has kinks, or no constants were found that do it.

    References:
        Zhang et al. 2022, arXiv:2203.08120, section 4.2.

    >>> from propstats.activations import activation
    >>> {name: round(value, 6) for name, value in tailor(activation("erf"), 0.01).constants.items()}
    {'input_scale': 0.092864, 'input_shift': 0.548929, 'output_shift': -0.564004, 'output_scale': 12.87895}
    """
    if not 0.0 < curvature < math.inf:
        raise DomainError(f"curvature must be positive, got {curvature:g}", "only lines have 0")
    slope = Activation("slope", str_of(activation.slope_formula), activation.params)
    if any(abs(jump) > _SMALL for _, jump in (*activation.jumps, *slope.jumps)):
        raise DomainError(f"{activation} has a kink, and so an infinite curvature", "use tailor_leaky")
    try:
        return _tailored(activation, slope, curvature, -1.0)
    except DomainError:
        return _tailored(activation, slope, curvature, 1.0)


def _tailored(activation: Activation, slope: Activation, curvature: float, sign: float) -> Transformed:
    """Tailor with a mean of the given sign after the output shift."""

    def conditions(scale: float, shift: float) -> tuple[float, float]:
        first = quadrature.moments(activation, mean=shift, std=scale)
        second = quadrature.moments(slope, mean=shift, std=scale)
        squared = scale**2 * first["slope_second_moment"].value
        mean = sign * math.sqrt(max(squared - first["var"].value, 0.0))
        rate = first["var_rate"].value + mean * scale**2 * second["linear_slope"].value
        return rate / squared - 1.0, scale**4 * second["slope_second_moment"].value / squared - curvature

    scale, shift = solve(conditions, STARTS, f"tailors {activation}", accepts=_is_calm(activation))
    found = quadrature.moments(activation, mean=shift, std=scale)
    squared = scale**2 * found["slope_second_moment"].value
    mean = sign * math.sqrt(max(squared - found["var"].value, 0.0))
    return Transformed(activation, scale, shift, mean - found["mean"].value, 1.0 / math.sqrt(squared))


def tailor_leaky(slope: float) -> Transformed:
    """Return the leaky ReLU of a negative slope with Q(1) = 1, whose map keeps C(1) = C'(1) = 1.

    Args:
        slope: The negative slope (from `propstats.theory.transformed.negative_slope`).

    References:
        Zhang et al. 2022, arXiv:2203.08120, section 4.1.

    >>> round(tailor_leaky(0.0).output_scale, 12)  # He et al. 2015
    1.414213562373
    """
    unit = named("leaky_relu", negative_slope=slope)
    return Transformed(unit, 1.0, 0.0, 0.0, math.sqrt(2.0 / (1.0 + slope**2)))


def _is_calm(activation: Activation) -> Callable[[float, float], bool]:
    def accepts(scale: float, shift: float) -> bool:
        squared = scale**2 * quadrature.moments(activation, mean=shift, std=scale)["slope_second_moment"].value
        return scale / math.sqrt(squared) < _STEEPEST

    return accepts
