"""The initialisation at which gradients neither vanish nor explode."""

import math
from dataclasses import dataclass

from propstats.activations import Activation
from propstats.errors import DomainError
from propstats.expectation import quadrature
from propstats.theory.mean_field.second_moment import SMALL_JUMP


@dataclass(frozen=True, slots=True)
class CriticalPoint:
    """Weights and biases at the edge of chaos, with pre-activations of second moment `q`.

    Args:
        sigma_w: Standard deviation of the weights times sqrt(fan_in).
        sigma_b: Standard deviation of the biases.
        q: The fixed point.
    """

    sigma_w: float
    sigma_b: float
    q: float


def critical_point(activation: Activation, q: float = 1.0) -> CriticalPoint:
    """Return the weight and bias scales that keep both the signal's and the gradient's second moment.

    `sigma_w^2 = 1/E[phi'(sqrt(q) z)^2]` makes chi_1 = 1, and `sigma_b^2 = q - sigma_w^2 E[phi(sqrt(q) z)^2]` makes q a
    fixed point.

    Args:
        activation: The activation.
        q: Second moment of the pre-activations to hold; positive.

    Raises:
        DomainError: If no bias variance does it (the activation's mean is too large), it jumps, or q is not positive.

    References:
        Schoenholz et al. 2017, arXiv:1611.01232, section 3.

    >>> from propstats.activations import activation
    >>> point = critical_point(activation("tanh"))
    >>> round(point.sigma_w**2, 10), round(point.sigma_b**2, 10)
    (2.1533026489, 0.1509646294)
    """
    if not 0.0 < q < math.inf:
        raise DomainError(f"q must be a positive number, got {q:g}", "it is the second moment to hold")
    if any(abs(jump) > SMALL_JUMP for _, jump in activation.jumps):
        raise DomainError(f"{activation} jumps, so that no weights are critical: chi_1 is infinite")
    moments = quadrature.moments(activation, std=math.sqrt(q))
    weight = 1.0 / moments["slope_second_moment"].value
    bias = q - weight * moments["second_moment"].value
    if bias < -1e-9 * q:
        raise DomainError(
            f"no weight and bias variance keeps both signal and gradient with {activation}",
            "subtract its mean after the activation, as NormProp does",
        )
    return CriticalPoint(math.sqrt(weight), math.sqrt(max(bias, 0.0)) if bias > 1e-9 * q else 0.0, q)
