"""The records every number travels in: an estimate, and a quantity known by several routes."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from propstats.student import normal_deviate

#: Two estimates disagree when they differ by more than this many standard errors, or by what is as rare where the
#: standard error itself rests on few samples. A run prints some dozens of comparisons; at five a sound run cries wolf
#: less than once in a hundred thousand of them.
STANDARD_ERRORS = 5.0


class Route(StrEnum):
    """Where a number comes from, which decides what its error means.

    >>> Route.CLOSED_FORM.is_statistical, Route("sampling").is_statistical
    (False, True)
    """

    CLOSED_FORM = "closed_form"  # error: a bound on the rounding of the evaluated formula
    CERTIFIED = "certified"  # error: a ball that provably contains the number
    QUADRATURE = "quadrature"  # error: a bound on truncation and rounding
    SAMPLING = "sampling"  # error: one standard error
    MEASURED = "measured"  # error: one standard error

    @property
    def is_statistical(self) -> bool:
        """Whether the error is a standard error rather than a bound."""
        return self in (Route.SAMPLING, Route.MEASURED)


@dataclass(frozen=True, slots=True)
class Estimate:
    """One number, how wrong it may be, and where it comes from.

    Args:
        value: The number; NaN where it is undefined (a ratio with a vanishing denominator).
        error: A bound for the deterministic routes, one standard error for the statistical ones.
        route: Where the number comes from.
        samples: How many samples stand behind a statistical estimate.
        digits: The decimal digits that are proven, correctly rounded, of a certified number.
        freedom: Degrees of freedom of the standard error, if they are not `samples - 1`.

    >>> Estimate(0.5, 1e-16, Route.CLOSED_FORM).agrees_with(Estimate(0.52, 0.01, Route.SAMPLING))
    True
    """

    value: float
    error: float
    route: Route
    samples: int | None = None
    digits: str | None = None
    freedom: int | None = None

    @property
    def is_defined(self) -> bool:
        """Whether the number exists."""
        return math.isfinite(self.value)

    def z(self, other: "Estimate") -> float:
        """Return the distance to `other` in standard errors.

        Statistical errors add in quadrature. Where few samples stand behind them the distance follows Student's t, not
        the normal law: what is returned is the normal deviate that is as rare, so that a limit means the same for
        three samples as for a million. Deterministic errors are bounds: they are taken off the distance first. Two
        deterministic estimates are 0 apart when their bounds touch, and infinitely far when they do not.

        Args:
            other: An estimate of the same quantity; the distance is positive where it is the larger.

        References:
            Student 1908, Biometrika 6, 1. Satterthwaite 1946, Biometrics Bulletin 2, 110 (degrees of freedom of a sum).

        >>> found, exact = Estimate(1.0, 0.1, Route.SAMPLING, samples=3), Estimate(0.0, 0.0, Route.CLOSED_FORM)
        >>> round(exact.z(found), 6)  # Student's t of 10 with 2 degrees of freedom: once in 101.5 times
        2.580965
        """
        pair = (self, other)
        bound = sum(e.error for e in pair if not e.route.is_statistical)
        spread = math.hypot(*(e.error for e in pair if e.route.is_statistical))
        gap = max(abs(self.value - other.value) - bound, 0.0)
        if gap == 0.0:
            return 0.0
        signed = math.copysign(gap, other.value - self.value)
        if spread == 0.0 or math.isinf(spread):
            return math.copysign(0.0 if spread else math.inf, signed)
        # One over the degrees of freedom, which are no whole number where two estimates share the error.
        doubt = sum((e.error / spread) ** 4 / e._freedom for e in pair if e.route.is_statistical)
        return normal_deviate(signed / spread, 1.0 / doubt if doubt > 0 else math.inf)

    @property
    def _freedom(self) -> float:
        """Degrees of freedom of the standard error."""
        if self.freedom is not None:
            return float(self.freedom)
        return max(self.samples - 1.0, 1.0) if self.samples is not None else math.inf

    def agrees_with(self, other: "Estimate") -> bool:
        """Decide whether two estimates can be the same number; everything in propstats asks here.

        An undefined estimate claims nothing and contradicts nothing.

        Args:
            other: Another estimate of the same quantity.

        >>> exact = Estimate(0.5, 0.0, Route.CLOSED_FORM)
        >>> [exact.agrees_with(Estimate(0.54, error, Route.SAMPLING)) for error in (0.01, 0.001)]
        [True, False]
        """
        if not (self.is_defined and other.is_defined):
            return True
        return abs(self.z(other)) <= STANDARD_ERRORS


@dataclass(frozen=True, slots=True)
class Quantity:
    """One quantity known by several routes; the best route is on top.

    Args:
        value: The number by the best route.
        error: Its error.
        route: The best route: the deterministic one with the smallest error bound, or a formula close to it.
        formula: The closed form in the expression language, if there is one.
        routes: All estimates, by route.
        agree: Whether all routes agree with the best one.
        z: How far the sampled estimate is from the best one, in its standard errors (see `Estimate.z`).

    >>> exact = Estimate(0.5, 1e-16, Route.CLOSED_FORM)
    >>> quantity = Quantity.of({Route.CLOSED_FORM: exact, Route.SAMPLING: Estimate(0.6, 0.01, Route.SAMPLING, 1000)})
    >>> quantity.value, quantity.route.value, quantity.agree  # ten standard errors off
    (0.5, 'closed_form', False)
    """

    value: float
    error: float
    route: Route
    formula: str | None
    routes: Mapping[Route, Estimate]
    agree: bool
    z: float | None

    @classmethod
    def of(cls, routes: Mapping[Route, Estimate], formula: str | None = None) -> "Quantity":
        """Join the estimates of one quantity, choose the best and compare the others with it.

        A formula is preferred to a quadrature that is no more than a digit better.

        Args:
            routes: The estimates, at least one.
            formula: The closed form, if there is one.
        """

        def rank(estimate: Estimate) -> tuple[bool, bool, float]:
            handicap = 1.0 if estimate.route is Route.CLOSED_FORM else 10.0
            return estimate.route.is_statistical, not estimate.is_defined, handicap * estimate.error

        best = min(routes.values(), key=rank)
        sampled = routes.get(Route.SAMPLING)
        z = best.z(sampled) if sampled is not None and sampled is not best else None
        agree = all(best.agrees_with(other) for other in routes.values())
        return cls(best.value, best.error, best.route, formula, dict(routes), agree, z)
