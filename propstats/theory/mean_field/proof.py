"""Fixed points of which digits are proven: the map is above the diagonal on one side and below it on the other."""

import math
from fractions import Fraction

from propstats.errors import CertificateError, DomainError, ExpressionError
from propstats.estimate import Estimate, Route
from propstats.theory.mean_field.fixed_points import Root
from propstats.theory.mean_field.second_moment import SecondMomentMap

#: The ends are squares of floats, so that no more can be told apart.
MAX_DIGITS = 15
#: Digits of the moments beyond those of the fixed point.
_GUARD = 3


def proven_fixed_point(
    layer: SecondMomentMap, root: Root, digits: int, timeout: float
) -> tuple[Estimate | None, list[str]]:
    """Prove digits of a fixed point; or return None, with the reason in one line.

    The map is continuous. If it provably is above the diagonal at one end of an interval and below it at the other,
    a fixed point lies between, and the digits that both ends share are its digits. The ends are squares of floats,
    weights and biases what their floats are exactly, and moments are enclosed in ball arithmetic.

    Args:
        layer: The map.
        root: Where quadrature found the fixed point.
        digits: How many significant digits to prove.
        timeout: Seconds that each of the two enclosures may take.

    Raises:
        DomainError: If `digits` is not between 1 and 15.

    >>> from propstats.activations import activation
    >>> from propstats.theory.mean_field.fixed_points import fixed_points
    >>> layer = SecondMomentMap(activation("tanh"), 2.0, 0.3)
    >>> proven_fixed_point(layer, fixed_points(layer).points[0], 12, 10.0)[0].digits
    '2.25375337623'
    """
    from propstats.expectation import certified
    from propstats.expectation.certified.decimals import decimal

    check_digits(digits)
    radius = max(root.error, root.q * 0.25 * 10.0**-digits)
    stds = [math.sqrt(max(root.q + side * radius, 0.0)) for side in (-1, 1)]
    signs = []
    for std in stds:
        try:
            found = certified.moments(
                layer.activation, mean=layer.beta, std=std, digits=digits + _GUARD, timeout=timeout
            )["second_moment"]
        except (CertificateError, ExpressionError, DomainError) as why:
            return None, [f"no digits of the fixed point {root.q:.6g} are proven: {why.message}"]
        signs.append(_sign(layer, Fraction(std) ** 2, found))
    low, high = (Fraction(std) ** 2 for std in stds)
    if signs[0] * signs[1] >= 0:
        return None, [f"the digits of the fixed point {root.q:.6g} are not proven: it is too nearly marginal"]
    value = float((low + high) / 2)
    error = float(max(high - Fraction(value), Fraction(value) - low)) * (1 + 1e-15)
    # What lies near a rounding boundary has fewer digits.
    proven = next((text for n in range(digits, 0, -1) if (text := decimal(low, high, n)) is not None), None)
    return Estimate(value, error, Route.CERTIFIED, digits=proven), []


def check_digits(digits: int) -> None:
    """Refuse a number of digits that cannot be proven.

    Raises:
        DomainError: If it is not between 1 and 15.
    """
    if not 1 <= digits <= MAX_DIGITS:
        raise DomainError(f"digits of a fixed point must be between 1 and {MAX_DIGITS}, got {digits}")


def _sign(layer: SecondMomentMap, q: Fraction, moment: Estimate) -> int:
    """Return the sign of T(q) - q, or 0 if the enclosure leaves it open."""
    gain, bias = Fraction(layer.sigma_w) ** 2, Fraction(layer.sigma_b) ** 2
    middle, radius = Fraction(moment.value), Fraction(moment.error)
    low, high = (gain * (middle + side * radius) + bias - q for side in (-1, 1))
    return 1 if low > 0 else -1 if high < 0 else 0
