"""Integrals up to a point at which an integrand is infinite, in `t = -log|z - z0|`, which moves that point to infinity.

There `g(x0 + s exp(-t)) exp(-t)` is bounded by exponential sums as a tail is, and a power or a logarithm of the
distance is an entire function of t.
"""

import math
from collections.abc import Mapping, Sequence
from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING

from propstats.activations.expression import Expr
from propstats.errors import CertificateError
from propstats.expectation.certified.adaptive import PairedIntegrand, density, integrate
from propstats.expectation.certified.balls import Balls, exact, precision
from propstats.expectation.certified.enclosure import Near
from propstats.expectation.certified.exponential_sums import Range, Sum, is_integrable
from propstats.expectation.certified.programs import Programs
from propstats.expectation.certified.proof import Deadline
from propstats.expectation.certified.tails import BITS, Segment, integral_beyond, scalars
from propstats.expectation.singularities import near

if TYPE_CHECKING:
    from flint import arb

#: From which t on bounds are looked for: closer and closer to the point.
_STARTS = (8, 64, 512)
_LAST = 20_000
#: Over intervals of t that are much longer, `acb.integral` gives up only after long.
_LENGTH = 32


class SingularEnd:
    """The integrands of a segment at an end at which some of them may be infinite.

    Args:
        segment: The segment.
        point: The end, as a formula in the parameters.
        side: 1 if the segment begins there, -1 if it ends there.
        params: The parameters.
        std: Standard deviation of x.

    Attributes:
        bounded: The integrands whose integral up to the point is bounded.
    """

    def __init__(self, segment: Segment, point: Expr, side: int, params: Mapping[str, float], std: float) -> None:
        self.point, self.side, self._std = point, side, std
        self.integrands = tuple(near(formula, point, side) for formula in segment.integrands)
        balls, symbols = Balls(), {name: exact(value) for name, value in params.items()}
        distance = [Segment(None, None, self.integrands)]
        self._balls, self._programs = balls, Programs(distance, params, balls, mean=0.0, std=1.0)
        self._sizes: dict[int, tuple[int, Sum]] = {}
        with precision(BITS):
            for start in _STARTS:
                where = Near(Range(Fraction(start), scalars()), exact(std), symbols, balls.reals)
                for k, formula in enumerate(self.integrands):
                    size = None if k in self._sizes else where.size(where.integrand(formula))
                    if size is not None and all(map(is_integrable, size)):
                        self._sizes[k] = start, size
        self.bounded = frozenset(self._sizes)

    def integrals(
        self, group: Sequence[int], z: "arb", halvings: int, exponents: Sequence[int], deadline: Deadline
    ) -> "tuple[list[arb], list[arb]]":
        """Return one or two integrals within a distance of `2**-halvings` in z, but for what is very close.

        Args:
            group: Which integrals.
            z: The point.
            halvings: Says how far away to begin.
            exponents: For each integral, the binary exponent of the error to aim at.
            deadline: When to give up.

        Returns:
            The integrals, without the constant of the density, and bounds on what is missing of them, with that.

        Raises:
            CertificateError: If time runs out, or an integral resists.
        """
        from flint import acb, arb, ctx

        cuts, missing = zip(*map(self._cut, group, exponents), strict=True)
        values = self._programs.at_z(self._programs.of(0, tuple(group), ctx.prec))

        def at(t: acb) -> Sequence[acb]:
            return values((-t).exp() * self._std)

        def weight(t: acb) -> acb:
            step = (-t).exp()
            return density(z + step * self.side) * step

        integrand = PairedIntegrand(at, self._balls, exponents, deadline, weight)
        totals, last = [arb(0) for _ in group], max(*cuts, halvings + 2)
        marks = [halvings * arb(2).log(), *map(arb, range(halvings + 1, last, _LENGTH)), arb(last)]
        for start, stop in pairwise(marks):
            found = integrate(integrand, start, stop, deadline, lambda *_: False)
            assert found is not None
            totals = [total + value for total, value in zip(totals, found, strict=True)]
        return totals, list(missing)

    def _cut(self, k: int, exponent: int) -> "tuple[int, arb]":
        """Return a t beyond which the k-th integral is below `2**exponent`, and a bound on it there."""
        from flint import arb

        t, size = self._sizes[k]
        with precision(BITS):
            while t < _LAST:
                bound = integral_beyond(size, Fraction(t))
                if bound is not None and bound < arb(2) ** exponent:
                    return t, bound
                t = math.ceil(t * 17 / 16)
        raise CertificateError("no certificate: an integrand is hardly integrable", "fewer digits may be proven")
