"""Integrals over finite intervals by `acb.integral`, which halves them where a box is too wide."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from propstats.expectation.certified.balls import Balls
from propstats.expectation.certified.boxes import indeterminate
from propstats.expectation.certified.proof import Deadline
from propstats.expectation.certified.strip import Integrands

if TYPE_CHECKING:
    from flint import acb, arb

#: What one call of `acb.integral` may spend; then its interval is to be halved.
_EVALUATIONS = 12_000


class PairedIntegrand:
    """One or two real integrands as one complex function of z, with the density.

    Args:
        integrands: The integrands at a complex z, without the density.
        balls: The namespace that they were compiled with.
        exponents: For each integrand, the binary exponent of the error to aim at.
        deadline: When to give up.
    """

    def __init__(self, integrands: Integrands, balls: Balls, exponents: Sequence[int], deadline: Deadline) -> None:
        from flint import acb, arb

        self._integrands, self._balls, self._deadline = integrands, balls, deadline
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
        return value * (z * z / -2).exp()
