"""From balls to proven digits: precision is raised until every number has the digits that were asked for."""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from propstats.errors import CertificateError, DomainError
from propstats.estimate import Estimate, Route
from propstats.expectation.certified.balls import ends
from propstats.expectation.certified.decimals import decimal, zero

if TYPE_CHECKING:
    from flint import arb

MAX_DIGITS = 1000
#: Bits beyond the digits: few numbers then lie so close to a rounding boundary that their last digit stays open.
_MARGIN = 16
#: How many bits cancellation may cost.
_MAX_EXTRA = 4096
#: What is not smaller counts as infinite; floats end at 2^1024.
LARGEST = 1 << 4096
#: The size of what has none of its own, as a variance: below 10^-digits of this, it counts as 0.
SMALLEST = Fraction(1, 2**400)
#: A number exactly on a rounding boundary is not decided by more bits.
_BOUNDARY_BITS = 64


class Deadline:
    """A time by which an answer is due.

    Args:
        seconds: How long from now.

    Raises:
        DomainError: If that is not a positive number.
    """

    def __init__(self, seconds: float) -> None:
        if not 0.0 < seconds < math.inf:
            raise DomainError(f"timeout must be a positive number of seconds, got {seconds}")
        self._seconds, self._end = seconds, time.monotonic() + seconds

    @property
    def is_over(self) -> bool:
        """Whether it has passed."""
        return time.monotonic() > self._end

    def check(self) -> None:
        """Give up when it has passed.

        Raises:
            CertificateError: If it has.
        """
        if self.is_over:
            raise CertificateError(
                f"the digits were not proven within {self._seconds:g} s", "ask for fewer digits or allow more time"
            )


@dataclass(frozen=True, slots=True)
class Claim:
    """A ball, and the size against which it may be called 0.

    Args:
        ball: It holds the number; None if the number is undefined.
        scale: Its natural size, not 0. Within `10^-digits` of that, the number counts as 0.
    """

    ball: "arb | None"
    scale: Fraction


def prove(compute: Callable[[int], Mapping[str, Claim]], digits: int, deadline: Deadline) -> dict[str, Estimate]:
    """Compute numbers with more and more bits until all of them have their digits.

    Args:
        compute: Computes the numbers, each with an error of about `2**-bits` of its size.
        digits: How many significant digits to prove.
        deadline: When to give up.

    Raises:
        DomainError: If `digits` is not between 1 and 1000.
        CertificateError: If time runs out.
    """
    if not 1 <= digits <= MAX_DIGITS:
        raise DomainError(f"digits must be between 1 and {MAX_DIGITS}, got {digits}")
    first = bits = math.ceil(digits * math.log2(10)) + _MARGIN
    while True:
        claims = compute(bits)
        missing = max(_missing_bits(claim, digits, bits) for claim in claims.values())
        if missing == 0 or bits - first >= _MAX_EXTRA:
            return {name: _estimate(claim, digits) for name, claim in claims.items()}
        deadline.check()
        bits += missing


def _missing_bits(claim: Claim, digits: int, bits: int) -> int:
    """Return about how many more bits it takes; 0 if the digits are there."""
    bounds = _bounds(claim.ball)
    if bounds is None:
        return 0
    low, high = bounds
    unit, size, radius = Fraction(1, 10**digits), max(-low, high), (high - low) / 2
    if radius == 0 or size <= unit * claim.scale:
        return 0
    if low <= 0 <= high:
        # At least it must come below what counts as 0, but its size is unknown; if it is a root, that takes twice as
        # many bits.
        return min(2 * _log2(size / (unit * claim.scale)), bits)
    wanted = radius * 2 / (unit * min(abs(low), abs(high)))
    if wanted > 1:
        return _log2(wanted) + _MARGIN
    on_boundary = decimal(low, high, digits) is None and wanted > Fraction(1, 2**_BOUNDARY_BITS)
    return _BOUNDARY_BITS if on_boundary else 0


def _bounds(ball: "arb | None") -> tuple[Fraction, Fraction] | None:
    """Return the ends of a ball, if it holds a number of reasonable size."""
    if ball is None or not ball.is_finite() or not abs(ball) < LARGEST:
        return None
    return ends(ball)


def _log2(value: Fraction) -> int:
    return value.numerator.bit_length() - value.denominator.bit_length() + 1


def _estimate(claim: Claim, digits: int) -> Estimate:
    bounds = _bounds(claim.ball)
    if claim.ball is None or not claim.ball.is_finite():
        return Estimate(math.nan, math.inf, Route.CERTIFIED)
    if bounds is None:
        return Estimate(math.inf if claim.ball > 0 else -math.inf, math.inf, Route.CERTIFIED)
    low, high = bounds
    middle = Fraction(0) if low <= 0 <= high else (low + high) / 2
    value = _nearest(middle)
    off = max(high - Fraction(value), Fraction(value) - low) if math.isfinite(value) else math.inf
    # A number on a rounding boundary has more digits, one that could not be computed so well has fewer.
    proven = (decimal(low, high, n) for n in (digits, digits + 1, *range(digits - 1, 0, -1)))
    text = next((text for text in proven if text is not None), None) or zero(low, high, digits)
    return Estimate(value, math.nextafter(_nearest(off), math.inf) if off else 0.0, Route.CERTIFIED, digits=text)


def _nearest(value: Fraction | float) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf
