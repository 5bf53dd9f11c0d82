"""What a pooling layer receives: Gaussian numbers, rectified or not, equally correlated within a window."""

import math
from dataclasses import dataclass
from fractions import Fraction

from propstats.errors import DomainError

#: How far below its bound a correlation may lie because it was rounded: -1/3 is no float.
_ROUNDED = 4 * 2.0**-53


@dataclass(frozen=True, slots=True)
class PoolInput:
    """The law of the inputs: `x = N(mean, std^2)` or `max(0, x)`, any two x of a window with the same correlation.

    Args:
        mean: Mean of the Gaussian, before it is rectified.
        std: Its standard deviation.
        correlation: Correlation of any two Gaussians of a window.
        rectified: Whether a ReLU precedes: the inputs are `max(0, x)`, and several of a window may be 0.
    """

    mean: float = 0.0
    std: float = 1.0
    correlation: float = 0.0
    rectified: bool = False

    def check(self, inputs: int) -> None:
        """Insist on numbers that a window of so many inputs can have.

        Raises:
            DomainError: If one is not finite, the deviation is negative, or the correlation is beyond what a
                covariance matrix allows: `-1/(k - 1) <= rho <= 1`.
        """
        if not (math.isfinite(self.mean) and math.isfinite(self.std) and self.std >= 0):
            raise DomainError(f"mean and std must be finite and std at least 0, got {self.mean} and {self.std}")
        least = -1 / (inputs - 1) if inputs > 1 else -1.0
        if not least - _ROUNDED <= self.correlation <= 1.0:
            raise DomainError(
                f"the correlation must be between {least:.6g} and 1, got {self.correlation:g}",
                f"-1/(k - 1) is the least that the covariance of k = {inputs} inputs allows",
            )

    def exact_correlation(self, inputs: int) -> Fraction:
        """Return the correlation as the number that is meant: within rounding of `-1/(k - 1)` it is that."""
        least = Fraction(-1, max(inputs - 1, 1))
        given = Fraction(self.correlation)
        return least if abs(given - least) <= _ROUNDED else given

    @property
    def is_constant(self) -> bool:
        """Whether nothing varies."""
        return self.std == 0.0

    @property
    def ties(self) -> bool:
        """Whether all inputs of a window are one and the same number."""
        return self.is_constant or self.correlation == 1.0
