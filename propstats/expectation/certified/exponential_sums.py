"""Sums of `c t^n exp(a t^2 + b t)` for `t >= T`: what bounds a formula where a Gaussian has almost no mass left.

Such sums are closed under addition and multiplication, are ordered by growth, and their Gaussian tails have simple
bounds. Coefficients are balls (then every bound is proven) or floats (then it is only computed); powers and rates are
fractions or floats accordingly.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

#: `(a, b, n)` stands for `t^n exp(a t^2 + b t)`; tuples compare as the functions grow.
Key = tuple[Any, Any, Any]
Sum = dict[Key, Any]

ONE: Key = (0, 0, 0)
#: A rate that no Gaussian survives; what grows faster than any `exp(a t^2)` is bounded from below by it.
BEYOND_GAUSSIAN = 1e9


@dataclass(frozen=True, slots=True)
class Scalars:
    """The arithmetic of coefficients.

    Args:
        number: Turns a rational into a coefficient.
        exp: The exponential of a coefficient.
        log: The logarithm of a positive coefficient.
        power: A positive coefficient raised to a rational power.
        up: The smallest rate that is certainly not below a coefficient.
        down: The largest rate that is certainly not above it.
        infinity: A coefficient larger than all others.
    """

    number: Callable[[Any], Any]
    exp: Callable[[Any], Any]
    log: Callable[[Any], Any]
    power: Callable[[Any, Any], Any]
    up: Callable[[Any], Any]
    down: Callable[[Any], Any]
    infinity: Any


def _same(value: Any) -> Any:
    return value


def _exp(value: float) -> float:
    return math.exp(value) if value < 709.0 else math.inf


#: Fast, and right except where a bound decides by its last digit.
FLOATS = Scalars(float, _exp, math.log, math.pow, _same, _same, math.inf)


@dataclass(frozen=True, slots=True)
class Range:
    """From where on bounds must hold; at None, from far enough on.

    Args:
        start: T, a rational of at least 1.
        scalars: The arithmetic.
    """

    start: Any
    scalars: Scalars

    def ratio(self, key: Key, lead: Key) -> Any:
        """Return a bound, for all `t >= T`, on one term divided by another; None if there is none."""
        if self.start is None:
            return 0.0 if key < lead else None
        a, b, n = (x - y for x, y in zip(key, lead, strict=True))
        # The logarithm n log t + b t + a t^2 must not rise beyond T.
        if a > 0 or 2 * a * self.start + b + max(n, 0) / self.start > 0:
            return None
        start = self.scalars.number(self.start)
        number = self.scalars.number
        return self.scalars.exp(number(a) * start * start + number(b) * start) * self.scalars.power(start, n)

    def squeeze(self, terms: Sum) -> tuple[Key, Any, Any]:
        """Return `(key, low, high)` with `low t^n exp(..) <= sum <= high t^n exp(..)` by the fastest term.

        Where there is no such bound, its coefficient is infinite. The sum must not be empty.
        """
        lead = max(terms)
        low = high = terms[lead]
        for key, c in terms.items():
            if key == lead:
                continue
            if self.start is None:
                # Far out the rest is a small share of the leading term, of whichever sign.
                share = abs(terms[lead]) / 4
                return lead, terms[lead] - share, terms[lead] + share
            ratio = self.ratio(key, lead)
            if not c <= 0:
                high = self.scalars.infinity if ratio is None else high + abs(c) * ratio
            if not c >= 0:
                low = -self.scalars.infinity if ratio is None else low - abs(c) * ratio
        return lead, low, high

    def is_nonnegative(self, terms: Sum) -> bool:
        """Whether the sum is certainly not negative."""
        if all(c >= 0 for c in terms.values()):
            return True
        return bool(self.squeeze(terms)[1] > 0)

    def is_nonpositive(self, terms: Sum) -> bool:
        """Whether the sum is certainly not positive."""
        return self.is_nonnegative(negative(terms))

    def exponential(self, terms: Sum, upper: bool) -> Sum | None:
        """Bound `exp(sum)` from one side by one term; None if there is no such bound from above."""
        if not upper and self.start is None and terms and max(terms) > (0, 0, 2) and self.is_nonnegative(terms):
            return {(BEYOND_GAUSSIAN, 0, 0): self.scalars.number(1)}
        side = 1 if upper else -1
        constant, rates = self.scalars.number(0), [0, 0, 0]
        for (a, b, n), c in terms.items():
            # As t >= T, a term may be moved to a higher power, or to a lower one, whichever side is bounded.
            is_helpful = bool(side * c <= 0)
            if (a or b or n > 2) and not is_helpful:
                return {} if not upper else {ONE: self.scalars.number(1)} if self.is_nonpositive(terms) else None
            if is_helpful and (a or b or n < 0):
                continue  # dropped
            power = min(math.floor(n), 2) if is_helpful else max(math.ceil(n), 0)
            moved = c if power == n or is_helpful else side * abs(c)
            if self.start is not None and power != n:
                moved = moved * self.scalars.power(self.scalars.number(self.start), n - power)
            if power == 0:
                constant = constant + moved
            else:
                rates[power] += self.scalars.up(moved) if upper else self.scalars.down(moved)
        if upper and (rates[2], rates[1]) > (0, 0) and self.is_nonpositive(terms):
            return {ONE: self.scalars.number(1)}
        return {(rates[2], rates[1], 0): self.scalars.exp(constant)}


def whole(value: Any) -> Any:
    """Return a fraction that is an integer as one, and anything else as it is: that is faster to compute with."""
    return value.numerator if isinstance(value, Fraction) and value.denominator == 1 else value


def negative(terms: Sum) -> Sum:
    """Return minus the sum."""
    return {key: -c for key, c in terms.items()}


def plus(u: Sum, v: Sum) -> Sum:
    """Add two sums."""
    total = dict(u)
    for key, c in v.items():
        total[key] = total[key] + c if key in total else c
    return {key: c for key, c in total.items() if c != 0}


def times(u: Sum, v: Sum) -> Sum:
    """Multiply two sums."""
    total: Sum = {}
    for (a1, b1, n1), c1 in u.items():
        for (a2, b2, n2), c2 in v.items():
            key = (a1 + a2, b1 + b2, n1 + n2)
            total[key] = total[key] + c1 * c2 if key in total else c1 * c2
    return {key: c for key, c in total.items() if c != 0}


def larger(u: Sum, v: Sum) -> Sum:
    """Return a sum that is at least `|u|` and at least `|v|`."""
    total = {key: abs(c) for key, c in u.items()}
    for key, c in v.items():
        size = abs(c)
        # With balls neither may be certainly larger: their sum is safe then.
        if key not in total or total[key] <= size:
            total[key] = size
        elif not total[key] >= size:
            total[key] = total[key] + size
    return total


def is_integrable(key: Key) -> bool:
    """Whether a term has a finite integral under the density of `N(0, 1)`."""
    a, b, n = key
    return bool(a < 0.5 or (a == 0.5 and (b < 0 or (b == 0 and n < -1))))
