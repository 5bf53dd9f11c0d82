"""Bounds from two sides by exponential sums, and the arithmetic of such bounds."""

from dataclasses import dataclass
from typing import Any

from propstats.expectation.certified import exponential_sums as sums
from propstats.expectation.certified.exponential_sums import ONE, Key, Range, Sum


@dataclass(frozen=True, slots=True)
class Bound:
    """`low <= u(t) <= high` far out; None where nothing is known."""

    low: Sum | None
    high: Sum | None

    @property
    def is_exact(self) -> bool:
        """Whether both sides are the formula itself."""
        return self.low is self.high and self.low is not None


UNKNOWN = Bound(None, None)


class BoundArithmetic:
    """What can be said about `u + v`, `u*v`, `exp(u)`, ... if u and v are bounded for t in a range."""

    def __init__(self, where: Range) -> None:
        self.range, self.scalars = where, where.scalars

    def exact(self, terms: Sum) -> Bound:
        """The formula itself."""
        return Bound(terms, terms)

    def constant(self, value: Any) -> Sum:
        """A rational number, as a sum."""
        return {ONE: self.scalars.number(value)}

    def between(self, low: Any, high: Any) -> Bound:
        """Something between two rational numbers."""
        return Bound(self.constant(low) if low else {}, self.constant(high) if high else {})

    def is_nonnegative(self, u: Bound) -> bool:
        """Whether u is certainly not negative."""
        return u.low is not None and self.range.is_nonnegative(u.low)

    def is_nonpositive(self, u: Bound) -> bool:
        """Whether u is certainly not positive."""
        return u.high is not None and self.range.is_nonpositive(u.high)

    def size(self, u: Bound) -> Sum | None:
        """Return a sum that is at least `|u|`, or None."""
        if self.is_nonnegative(u):
            return u.high
        if self.is_nonpositive(u):
            return sums.negative(u.low) if u.low is not None else None
        return sums.larger(u.low, u.high) if u.low is not None and u.high is not None else None

    def plus(self, u: Bound, v: Bound) -> Bound:
        """Return bounds on `u + v`."""
        if u.is_exact and v.is_exact:
            assert u.low is not None
            assert v.low is not None
            return self.exact(sums.plus(u.low, v.low))
        low = None if u.low is None or v.low is None else sums.plus(u.low, v.low)
        high = None if u.high is None or v.high is None else sums.plus(u.high, v.high)
        return Bound(low, high)

    def negative(self, u: Bound) -> Bound:
        """Return bounds on `-u`."""
        if u.is_exact:
            assert u.low is not None
            return self.exact(sums.negative(u.low))
        return Bound(None if u.high is None else sums.negative(u.high), None if u.low is None else sums.negative(u.low))

    def times(self, u: Bound, v: Bound) -> Bound:
        """Return bounds on `u*v`."""
        if any(w.is_exact and not w.low for w in (u, v)):
            return self.exact({})
        if u.is_exact and v.is_exact:
            assert u.low is not None
            assert v.low is not None
            return self.exact(sums.times(u.low, v.low))
        if self.is_nonpositive(u) and not self.is_nonnegative(u):
            return self.negative(self.times(self.negative(u), v))
        if self.is_nonpositive(v) and not self.is_nonnegative(v):
            return self.negative(self.times(u, self.negative(v)))
        high = None if u.high is None or v.high is None else sums.times(u.high, v.high)
        if self.is_nonnegative(u) and self.is_nonnegative(v):
            assert u.low is not None
            assert v.low is not None
            return Bound(sums.times(u.low, v.low), high)
        sizes = self.size(u), self.size(v)
        if sizes[0] is None or sizes[1] is None:
            return UNKNOWN
        size = sums.times(sizes[0], sizes[1])
        return Bound(sums.negative(size), size)

    def inverse(self, u: Bound) -> Bound:
        """Return bounds on `1/u`; none unless u keeps away from 0."""
        if self.is_nonpositive(u) and not self.is_nonnegative(u):
            return self.negative(self.inverse(self.negative(u)))
        least, most = self._squeezed(u.low, False), self._squeezed(u.high, True)
        if least is None:
            return UNKNOWN
        high = self._reciprocal(*least)
        if u.is_exact and u.low is not None and len(u.low) == 1:
            return self.exact(high)
        return Bound({} if most is None else self._reciprocal(*most), high)

    def _reciprocal(self, key: Key, c: Any) -> Sum:
        a, b, n = key
        return {(-a, -b, -n): self.scalars.number(1) / c}

    def power(self, u: Bound, p: Any) -> Bound:
        """Return bounds on `u**p` for a rational p."""
        if p < 0:
            return self.inverse(self.power(u, -p))
        if p != int(p):
            return self.fractional_power(u, p)
        if u.is_exact and (p % 2 == 1 or self.is_nonnegative(u) or self.is_nonpositive(u)):
            result = self.exact(self.constant(1))
            for _ in range(int(p)):
                result = self.times(result, u)
            return result
        if self.is_nonnegative(u):
            return Bound(self._repeated(u.low, int(p)), self._repeated(u.high, int(p)))
        if self.is_nonpositive(u):
            result = self.power(self.negative(u), p)
            return result if p % 2 == 0 else self.negative(result)
        size = self._repeated(self.size(u), int(p))
        return Bound({} if p % 2 == 0 else None if size is None else sums.negative(size), size)

    def _repeated(self, terms: Sum | None, p: int) -> Sum | None:
        if terms is None:
            return None
        result = self.constant(1)
        for _ in range(p):
            result = sums.times(result, terms)
        return result

    def fractional_power(self, u: Bound, p: Any) -> Bound:
        """A power of something that is not negative (where it is, the formula has no value)."""

        def side(terms: Sum | None, is_upper: bool) -> Sum | None:
            squeezed = self._squeezed(terms, is_upper)
            if squeezed is None:
                return None
            (a, b, n), c = squeezed
            return {(sums.whole(a * p), sums.whole(b * p), sums.whole(n * p)): self.scalars.power(c, p)}

        return Bound(side(u.low, False) or {}, side(u.high, True))

    def exp_of(self, u: Bound) -> Bound:
        """Return bounds on `exp(u)`."""
        low = (None if u.low is None else self.range.exponential(u.low, upper=False)) or {}
        high = None if u.high is None else self.range.exponential(u.high, upper=True)
        # A polynomial of degree 2 or less in t: the exponential is one term.
        is_term = u.is_exact and all(key in (ONE, (0, 0, 1), (0, 0, 2)) for key in u.low or {})
        return self.exact(high) if is_term and high is not None and low.keys() == high.keys() else Bound(low, high)

    def log_of(self, u: Bound) -> Bound:
        """Return bounds on `log(u)`."""

        def side(terms: Sum | None, is_upper: bool) -> Sum | None:
            squeezed = self._squeezed(terms, is_upper)
            if squeezed is None:
                return None
            (a, b, n), c = squeezed
            # 0 <= log t <= t.
            b = b + (n if (n > 0) == is_upper else 0)
            number = self.scalars.number
            rates = {ONE: self.scalars.log(c), (0, 0, 1): number(b), (0, 0, 2): number(a)}
            return {key: rate for key, rate in rates.items() if rate != 0}

        return Bound(side(u.low, False), side(u.high, True))

    def _squeezed(self, terms: Sum | None, is_upper: bool) -> tuple[Key, Any] | None:
        """Bound a sum from one side by one positive term; None if there is none."""
        if not terms:
            return None
        key, low, high = self.range.squeeze(terms)
        c = high if is_upper else low
        return (key, c) if 0 < c < self.scalars.infinity else None
