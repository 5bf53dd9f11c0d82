"""What a Gaussian integral gains beyond `|z| = Z`, bounded in ball arithmetic."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from propstats.activations.expression import ZERO, Expr, evaluate
from propstats.activations.syntax import str_of
from propstats.errors import CertificateError
from propstats.expectation.certified.balls import Balls, ends, exact, precision
from propstats.expectation.certified.enclosure import Tail
from propstats.expectation.certified.exponential_sums import ONE, Range, Scalars, Sum, is_integrable, whole

if TYPE_CHECKING:
    from flint import arb

#: For bounds, of which the first digits count.
BITS = 64
_FIRST, _LAST = 6, 20_000


@dataclass(frozen=True, slots=True)
class Segment:
    """The integrands on one interval of x, on which all of them are smooth.

    Args:
        low: Where it begins, as a formula in the parameters; None for minus infinity.
        high: Where it ends; None for infinity.
        integrands: One formula for each integral.
        singular: The ends at which one of them may be infinite, with 1 if it begins there and -1 if it ends there.
    """

    low: Expr | None
    high: Expr | None
    integrands: tuple[Expr, ...]
    singular: tuple[tuple[Expr, int], ...] = ()


class UnboundedError(CertificateError):
    """No bound was found on an integrand far out.

    Args:
        index: Which integrand.
        formula: Its formula there.
    """

    def __init__(self, index: int, formula: Expr) -> None:
        super().__init__(f"no certificate: cannot bound {str_of(formula)} far out")
        self.index = index


class Tails:
    """Bounds on the tails of several integrals.

    Args:
        segments: The integrands, in ascending order of their intervals.
        params: The parameters.
        mean: Mean of x.
        std: Standard deviation of x.
        wanted: Which integrals to bound.

    Raises:
        UnboundedError: If an integrand cannot be bounded far out.
    """

    def __init__(
        self,
        segments: Sequence[Segment],
        params: Mapping[str, float],
        *,
        mean: float,
        std: float,
        wanted: Sequence[int],
    ) -> None:
        self._count, self._wanted, start = len(segments[0].integrands), wanted, _FIRST
        while True:
            try:
                with precision(BITS):
                    self._sides = [_Side(segments, params, mean, std, side, start, wanted) for side in (1, -1)]
            except UnboundedError:
                start *= 4
                if start > _LAST:
                    raise
            else:
                self._start = start
                return

    def cut(self, exponents: Sequence[int]) -> tuple[Fraction, list["arb"]]:
        """Return a Z at which the tail of the k-th integral is below `2**exponents[k]`, and the bounds there.

        Raises:
            CertificateError: If there is none of a manageable size.
        """
        smallest = min((exponents[k] for k in self._wanted), default=0)
        z = Fraction(max(self._start, math.ceil(math.sqrt(2 * math.log(2) * max(0, -smallest)))))
        with precision(BITS):
            while z < _LAST:
                bounds = self._beyond(z, exponents)
                if bounds is not None:
                    return z, bounds
                z = Fraction(math.ceil(z * 17), 16)
        hint = "a smaller standard deviation keeps it in reach"
        raise CertificateError("no certificate: the integrand decays too slowly", hint)

    def _beyond(self, z: Fraction, exponents: Sequence[int]) -> "list[arb] | None":
        from flint import arb

        bounds = [arb(0)] * self._count
        for k in self._wanted:
            for side in self._sides:
                mass = side.mass(k, z)
                if mass is None:
                    return None
                bounds[k] = bounds[k] + mass
            if not bounds[k] < arb(2) ** exponents[k]:
                return None
        return bounds


class _Side:
    """One tail: before the outermost kink by the size of the integrands there, beyond by how they grow."""

    def __init__(
        self,
        segments: Sequence[Segment],
        params: Mapping[str, float],
        mean: float,
        std: float,
        side: int,
        start: int,
        wanted: Sequence[int],
    ) -> None:
        from flint import arb

        reals, symbols = Balls().reals, {name: exact(value) for name, value in params.items()}
        middle, scale = exact(mean), exact(side * std)
        outwards = segments if side > 0 else segments[::-1]
        inner, self._start = exact(Fraction(start)), Fraction(start)
        #: For each integral, the largest that it gets before the outermost kink.
        self._largest = [arb(0)] * len(outwards[0].integrands)
        for segment in outwards[:-1]:
            edge = segment.high if side > 0 else segment.low
            assert edge is not None
            outer = (evaluate(edge, symbols, reals) - middle) / scale
            if outer <= inner:
                continue
            x = middle + scale * inner.union(outer)
            for k in wanted:
                size = abs(evaluate(segment.integrands[k], {**symbols, "x": x}, reals))
                if not size.is_finite():
                    raise UnboundedError(k, segment.integrands[k])
                self._largest[k] = self._largest[k].max(size)
            inner, self._start = outer, Fraction(math.ceil(ends(outer)[1]))
        tail = Tail(Range(self._start, scalars()), middle, exact(std), side, symbols, reals)
        self._sizes: list[Sum] = []
        for k, formula in enumerate(outwards[-1].integrands):
            growth = tail.size(tail.bound(formula if k in wanted else ZERO))
            if growth is None or not all(map(is_integrable, growth)):
                raise UnboundedError(k, formula)
            self._sizes.append(growth)

    def mass(self, k: int, z: Fraction) -> "arb | None":
        """Bound the k-th integral beyond z; None if z is too small for that."""
        beyond = integral_beyond(self._sizes[k], max(z, self._start))
        if beyond is None or self._largest[k] == 0:
            return beyond
        before = integral_beyond({ONE: self._largest[k]}, z)
        return None if before is None else before + beyond


def scalars() -> Scalars:
    """Return the arithmetic of balls, in which every bound is proven."""
    from flint import arb

    return Scalars(
        number=exact,
        exp=arb.exp,
        log=arb.log,
        power=lambda base, p: base ** exact(p),
        up=lambda ball: whole(ends(ball)[1]),
        down=lambda ball: whole(ends(ball)[0]),
        infinity=arb.pos_inf(),
    )


def integral_beyond(size: Sum, z: Fraction) -> "arb | None":
    """Bound the integral of a sum beyond z under the standard normal density; None if z is too small for that.

    For `t >= z`, `d log(t^n exp(a t^2 + b t - t^2/2))/dt <= -rate` with `rate = (1 - 2a) z - b - max(n, 0)/z`, so
    that the integral is at most the value at z divided by the rate.
    """
    from flint import arb

    total = arb(0)
    for (a, b, n), c in size.items():
        if a > Fraction(1, 2):
            return None
        rate = (1 - 2 * a) * z - b - max(n, 0) / z
        if rate <= 0:
            return None
        exponent = exact(a * z * z + b * z - z * z / 2)
        total = total + abs(c) * exact(z) ** exact(n) * exponent.exp() / exact(rate)
    return total / (2 * arb.pi()).sqrt()
