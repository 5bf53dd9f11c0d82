"""Integrals over finite intervals by `acb.integral`, which halves them where a box is too wide."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from propstats.errors import CertificateError
from propstats.expectation.certified.balls import Balls
from propstats.expectation.certified.boxes import indeterminate
from propstats.expectation.certified.proof import Deadline
from propstats.expectation.certified.strip import Integrands

if TYPE_CHECKING:
    from flint import acb, arb

#: What one call of `acb.integral` may spend; then its interval is to be halved.
_EVALUATIONS = 12_000
_MAX_HALVINGS = 60


def density(z: "acb") -> "acb":
    """Return the density of `N(0, 1)`, without its constant."""
    return (z * z / -2).exp()


class PairedIntegrand:
    """One or two real integrands as one complex function of z, with a weight.

    Args:
        integrands: The integrands at a complex z, without the weight.
        balls: The namespace that they were compiled with.
        exponents: For each integrand, the binary exponent of the error to aim at.
        deadline: When to give up.
        weight: What they are multiplied by; by default the density, without its constant.
    """

    def __init__(
        self,
        integrands: Integrands,
        balls: Balls,
        exponents: Sequence[int],
        deadline: Deadline,
        weight: "Callable[[acb], acb]" = density,
    ) -> None:
        from flint import acb, arb

        self._integrands, self._balls, self._deadline, self._weight = integrands, balls, deadline, weight
        self._tolerance = arb(2) ** (exponents[0] - 4)
        self._scale = arb(2) ** (exponents[0] - exponents[-1])
        self._turn = acb(0, self._scale) if len(exponents) == 2 else None
        self._evaluations = 0

    def integral(self, low: "arb", high: "arb") -> "tuple[list[arb], bool]":
        """Return the integrals between two z, and whether it went well."""
        from flint import acb

        self._evaluations = 0
        value = acb.integral(self._value, low, high, abs_tol=self._tolerance, eval_limit=_EVALUATIONS)
        values = [value.real] if self._turn is None else [value.real, value.imag / self._scale]
        return values, value.is_finite() and self._evaluations < _EVALUATIONS

    def _value(self, z: "acb", is_analytic: bool) -> "acb":
        # An exception would not pass through the C code that calls this.
        self._evaluations += 1
        if self._deadline.is_over:
            return indeterminate()
        self._balls.is_analytic = is_analytic
        values = self._integrands(z)
        value: acb = values[0] if self._turn is None else values[0] + values[1] * self._turn
        return value * self._weight(z)


def integrate(
    integrand: PairedIntegrand, low: "arb", high: "arb", deadline: Deadline, give_up: "Callable[[arb, arb], bool]"
) -> "list[arb] | None":
    """Return the integrals over an interval, halved as often as it takes.

    Args:
        integrand: What to integrate.
        low: Where the interval begins.
        high: Where it ends.
        deadline: When to stop.
        give_up: Asked once, if the whole interval does not do, whether to return None.

    Raises:
        CertificateError: If time runs out, or an integral resists.
    """
    from flint import arb

    totals: list[arb] = []
    waiting = [(low, high, 0)]
    while waiting:
        start, stop, halvings = waiting.pop()
        values, is_done = integrand.integral(start, stop)
        deadline.check()
        if is_done:
            totals = [total + value for total, value in zip(totals, values, strict=True)] if totals else values
            continue
        if halvings == 0 and give_up(start, stop):
            return None
        if halvings == _MAX_HALVINGS:
            raise CertificateError("no certificate: the integral does not converge", "quadrature may do")
        middle = arb((start.mid() + stop.mid()) / 2).mid()
        waiting += [(middle, stop, halvings + 1), (start, middle, halvings + 1)]
    return totals
