"""Gaussian integrals of formulas as balls: the middle by `acb.integral`, the tails by proven bounds."""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from itertools import chain, pairwise
from typing import TYPE_CHECKING

from propstats.activations.expression import Expr, evaluate
from propstats.activations.namespaces import float_namespace
from propstats.activations.syntax import str_of
from propstats.errors import CertificateError, DomainError
from propstats.expectation.certified.adaptive import PairedIntegrand, integrate
from propstats.expectation.certified.balls import Balls, ends, exact, precision
from propstats.expectation.certified.growth import diverges_near, not_integrable, outgrows, pole_in_reach
from propstats.expectation.certified.near import SingularEnd
from propstats.expectation.certified.programs import Programs
from propstats.expectation.certified.proof import Deadline
from propstats.expectation.certified.scales import BITS, rough_exponents
from propstats.expectation.certified.singular import describe, singular_point
from propstats.expectation.certified.strip import Strip, find_strip, trapezoid
from propstats.expectation.certified.tails import Segment, Tails, UnboundedError

if TYPE_CHECKING:
    from flint import arb

_GUARD_BITS = 24
#: Larger integrals are left alone; floats end at 2^1024.
_LARGEST_EXPONENT = 4096
#: Where to look for points without a value; beyond, a Gaussian has less than 1e-14 of its mass.
_REACH = Fraction(8)


class GaussianIntegrals:
    """Several integrals under one Gaussian, to any precision.

    Args:
        segments: The integrands, cut where they are not smooth.
        whole: The same integrands, uncut.
        params: The parameters of the formulas.
        mean: Mean of x.
        std: Standard deviation of x, not 0.
        deadline: When to give up.

    Attributes:
        undefined: For each integral that does not exist, or that a singularity stands in the way of, why.
        unresolved: Those of which only the latter is known.

    Raises:
        CertificateError: If an integrand cannot be bounded far out.
    """

    def __init__(
        self,
        segments: Sequence[Segment],
        whole: Sequence[Expr],
        params: Mapping[str, float],
        *,
        mean: float,
        std: float,
        deadline: Deadline,
    ) -> None:
        self._segments, self._params, self._deadline = segments, params, deadline
        self._mean, self._std, self._count = mean, std, len(whole)
        self._balls = Balls()
        self._strip: Strip | None = None
        self._strip_cut: Fraction | None = None
        self._programs = Programs(segments, params, self._balls, mean=mean, std=std)
        self._whole = whole
        self._singular_ends = [
            [SingularEnd(segment, *end, params, std) for end in segment.singular] for segment in segments
        ]
        self.unresolved: set[int] = set()
        self.undefined: dict[int, str] = {}
        for k, formula in enumerate(whole):
            reason = pole_in_reach(formula, params, mean=mean, std=std) or self._divergence(k)
            if reason is not None:
                self.undefined[k] = reason
        self._tails = self._bounded_tails()
        self._exponents = rough_exponents(
            self._count,
            self._inside,
            lambda index: self._programs.all_of(index, self.undefined),
            params,
            mean=mean,
            std=std,
        )
        self._enormous = {k for k, e in enumerate(self._exponents) if e > _LARGEST_EXPONENT} - self.undefined.keys()
        for k in self._enormous:
            self.undefined.setdefault(k, f"the expectation of {str_of(whole[k])} is larger than 2^{_LARGEST_EXPONENT}")

    def _divergence(self, k: int) -> str | None:
        """Say in one line at which end of a segment the k-th integral does not exist; None if none is known."""
        for end in chain.from_iterable(self._singular_ends):
            if k not in end.bounded and diverges_near(end.integrands[k], self._params, std=self._std):
                point = evaluate(end.point, self._params, float_namespace())
                return not_integrable(self._whole[k], point, mean=self._mean, std=self._std)
        return None

    def _bounded_tails(self) -> Tails:
        while True:
            wanted = [k for k in range(self._count) if k not in self.undefined]
            try:
                return Tails(self._segments, self._params, mean=self._mean, std=self._std, wanted=wanted)
            except UnboundedError as error:
                reason = outgrows(self._whole[error.index], self._params, mean=self._mean, std=self._std)
                if reason is not None:
                    self.undefined[error.index] = reason
                    continue
                # What is not defined out there cannot be bounded either.
                with precision(BITS):
                    for index, low, high in self._inside(_REACH):
                        self._note_singular(index, (error.index,), low, high)
                if error.index not in self.undefined:
                    raise

    def scale(self, k: int) -> Fraction:
        """Return the k-th integral of the absolute value, roughly."""
        return Fraction(2) ** self._exponents[k]

    def require(self, k: int) -> None:
        """Insist on the k-th integral.

        Raises:
            DomainError: If it is undefined.
            CertificateError: If it is enormous.
        """
        if k in self._enormous:
            raise CertificateError(f"no certificate: {self.undefined[k]}", "a smaller standard deviation has one")
        if k in self.undefined:
            raise DomainError(self.undefined[k])

    def integrate(self, bits: int) -> "list[arb | None]":
        """Return the integrals, each within about `2**-bits` of its scale; None for those that are undefined.

        Raises:
            CertificateError: If time runs out, or an integral resists.
        """
        from flint import arb

        exponents = [exponent - bits for exponent in self._exponents]
        cut, tails = self._tails.cut([exponent - 3 for exponent in exponents])
        whole = self._over_the_line(cut, exponents, bits)
        with precision(bits + _GUARD_BITS):
            if whole is not None:
                return [ball + arb(0, tail) for ball, tail in zip(whole, tails, strict=True)]
            root = (2 * arb.pi()).rsqrt()
            totals = [arb(0) for _ in range(self._count)]
            for index, start, stop in self._inside(cut):
                low, high = self._add_close(totals, tails, index, exponents, start, stop)
                for group in self._programs.groups(index, self.undefined):
                    self._add(totals, index, group, exponents, low, high)
            found = [total * root + arb(0, tail) for total, tail in zip(totals, tails, strict=True)]
        return [None if k in self.undefined else ball for k, ball in enumerate(found)]

    def _over_the_line(self, cut: Fraction, exponents: Sequence[int], bits: int) -> "list[arb] | None":
        """Return the integrals over `|z| <= Z`, for some Z beyond the cut, where all of them are smooth."""
        if len(self._segments) > 1 or self.undefined:
            return None
        everything = tuple(range(self._count))
        if self._strip_cut is None or self._strip_cut < cut:
            self._strip_cut = cut
            self._balls.is_analytic = True
            self._strip = find_strip(self._programs.at_z(self._programs.of(0, everything, BITS)), cut)
            self._balls.is_analytic = False
        n = None if self._strip is None else self._strip.points(exponents)
        if self._strip is None or n is None:
            return None
        with precision(bits + _GUARD_BITS):
            values = self._programs.at_z(self._programs.of(0, everything, bits + _GUARD_BITS))
            found = trapezoid(values, self._strip, n, lambda: self._deadline.is_over)
        self._deadline.check()
        return found

    def _inside(self, cut: Fraction) -> "list[tuple[int, arb, arb]]":
        """Return the segments as intervals of z, as far as they lie within `|z| <= cut` or a little more."""
        edges = [self._z(segment.low) for segment in self._segments[1:] if segment.low is not None]
        while any(edge.overlaps(exact(end)) for edge in edges for end in (-cut, cut)):
            cut += Fraction(1, 16)
        low, high = exact(-cut), exact(cut)
        marks = [low, *(low if edge < low else high if edge > high else edge for edge in edges), high]
        found = []
        for index, (start, stop) in enumerate(pairwise(marks)):
            if start < stop:
                found.append((index, start, stop))
            elif start != stop:
                raise CertificateError("no certificate: two kinks are too close to tell which comes first")
        return found

    def _z(self, edge: Expr) -> "arb":
        x: arb = evaluate(edge, {name: exact(value) for name, value in self._params.items()}, self._balls.reals)
        return (x - exact(self._mean)) / exact(self._std)

    def _add(
        self, totals: "list[arb]", index: int, group: tuple[int, ...], exponents: Sequence[int], low: "arb", high: "arb"
    ) -> None:
        """Add the integrals of a group over one interval of z to the totals."""
        from flint import ctx

        def gives_up(start: "arb", stop: "arb") -> bool:
            self._note_singular(index, group, start, stop)
            return any(k in self.undefined for k in group)

        values_at = self._programs.at_z(self._programs.of(index, group, ctx.prec))
        integrand = PairedIntegrand(values_at, self._balls, [exponents[k] for k in group], self._deadline)
        values = integrate(integrand, low, high, self._deadline, gives_up)
        if values is None:  # go on with those that have no singularity
            for k in group:
                if k not in self.undefined:
                    self._add(totals, index, (k,), exponents, low, high)
            return
        for k, value in zip(group, values, strict=True):
            totals[k] = totals[k] + value

    def _add_close(
        self, totals: "list[arb]", tails: "list[arb]", index: int, exponents: Sequence[int], low: "arb", high: "arb"
    ) -> "tuple[arb, arb]":
        """Add the integrals close to the ends at which an integrand may be infinite; return what is left between."""
        from flint import arb

        for end in self._singular_ends[index]:
            at = low if end.side > 0 else high
            if not self._z(end.point).overlaps(at):
                continue  # beyond the cut
            halvings = 0
            while not 4 * arb(2) ** -halvings < high - low:
                halvings += 1
            away = at + end.side * arb(2) ** -halvings
            for group in self._programs.groups(index, self.undefined):
                bounded = [k for k in group if k in end.bounded]
                if bounded:
                    goals = [exponents[k] - 3 for k in bounded]
                    found = end.integrals(bounded, at, halvings, goals, self._deadline)
                    for k, value, missing in zip(bounded, *found, strict=True):
                        totals[k], tails[k] = totals[k] + value, tails[k] + missing
                rest = tuple(k for k in group if k not in end.bounded)
                if rest:
                    self._add(totals, index, rest, exponents, *((at, away) if end.side > 0 else (away, at)))
            low, high = (away, high) if end.side > 0 else (low, away)
        return low, high

    def _note_singular(self, index: int, group: Sequence[int], low: "arb", high: "arb") -> None:
        """Note which integrands have a point without a value between two z."""
        mean, std = Fraction(self._mean), Fraction(self._std)
        interval = mean + std * ends(low)[0], mean + std * ends(high)[1]
        symbols = {name: exact(value) for name, value in self._params.items()}
        for k in group:
            found = singular_point(self._segments[index].integrands[k], symbols, *interval)
            if found is not None:
                self.unresolved.add(k)
                self.undefined.setdefault(k, describe(*found, self._mean, self._std))
