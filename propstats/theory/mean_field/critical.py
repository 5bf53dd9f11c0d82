"""The initialisation at which gradients neither vanish nor explode."""

import math
from dataclasses import dataclass
from fractions import Fraction

from propstats.activations import Activation
from propstats.errors import DomainError
from propstats.estimate import Estimate, Route
from propstats.expectation import quadrature
from propstats.theory.mean_field.second_moment import SMALL_JUMP

#: Digits of the moments beyond those asked for.
_GUARD = 6


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


def proven_critical_point(
    activation: Activation, std: float = 1.0, *, digits: int = 12, timeout: float = 10.0
) -> tuple[Estimate, Estimate]:
    """Return `sigma_w^2` and `sigma_b^2` of the critical point at q = std^2, with proven digits.

    Args:
        activation: The activation.
        std: The root of q, which is the square of exactly this float; positive.
        digits: How many significant digits to prove.
        timeout: Seconds it may take.

    Raises:
        DomainError: If a number is out of range.
        CertificateError: If no proof was found, or not in time.

    >>> from propstats.activations import activation
    >>> [estimate.digits for estimate in proven_critical_point(activation("tanh"), digits=15)]
    ['2.15330264890279', '0.150964629378553']
    """
    from propstats.expectation import certified
    from propstats.expectation.certified.decimals import decimal

    # A difference of two numbers loses digits.
    found = certified.moments(activation, std=std, digits=min(digits + _GUARD, 1000), timeout=timeout)
    second, slope = (_interval(found[name]) for name in ("second_moment", "slope_second_moment"))
    weight = 1 / slope[1], 1 / slope[0]
    q = Fraction(std) ** 2
    bias = q - weight[1] * second[1], q - weight[0] * second[0]

    def estimate(low: Fraction, high: Fraction) -> Estimate:
        value = float((low + high) / 2)
        error = float(max(high - Fraction(value), Fraction(value) - low)) * (1 + 1e-15)
        proven = next((text for n in range(digits, 0, -1) if (text := decimal(low, high, n)) is not None), None)
        return Estimate(value, error, Route.CERTIFIED, digits=proven)

    return estimate(*weight), estimate(*bias)


def _interval(estimate: Estimate) -> tuple[Fraction, Fraction]:
    """Return between which numbers a certified one lies: its digits are correctly rounded."""
    assert estimate.digits is not None
    mantissa, _, exponent = estimate.digits.partition("e")
    places = len(mantissa.partition(".")[2])
    unit = Fraction(10) ** (int(exponent or 0) - places)
    middle = Fraction(mantissa) * Fraction(10) ** int(exponent or 0)
    return middle - unit / 2, middle + unit / 2
