"""What is known of a network's input, as the signal that rules start from."""

import math
from dataclasses import dataclass

from propstats.errors import DomainError
from propstats.signals import Positions, Signal

_LARGEST = 1e70


@dataclass(frozen=True, slots=True)
class InputStatistics:
    """Statistics of the data, the same for all units and positions.

    Args:
        mean: Mean.
        std: Standard deviation over units, positions and data.
        correlation: Correlation of two inputs at the same unit and position; 0 for standardised features.
        position_correlation: Correlation of two positions of one input at the same unit; of two inputs it is the
            product of both.
    """

    mean: float = 0.0
    std: float = 1.0
    correlation: float = 0.0
    position_correlation: float = 0.0

    def check(self) -> None:
        """Refuse what no data can be like.

        Raises:
            DomainError: If a number is not finite or out of range, the standard deviation is not positive, or a
                correlation is outside the range that a covariance of many inputs (positions) allows.
        """
        for name, value in (("mean", self.mean), ("std", self.std)):
            if not math.isfinite(value):
                raise DomainError(f"the {name} of the data must be a finite number, got {value}")
        if max(abs(self.mean), self.std) > _LARGEST or 0.0 < self.std < 1.0 / _LARGEST:
            hint = f"fourth powers of them are computed: from {1 / _LARGEST:g} to {_LARGEST:g}"
            raise DomainError(f"data of mean {self.mean:g} and std {self.std:g} are beyond double precision", hint)
        if self.std <= 0.0:
            hint = "data that do not vary carry no signal"
            raise DomainError(f"the std of the data must be positive, got {self.std:g}", hint)
        correlations = {"correlation": (self.correlation, "inputs")}
        correlations["position_correlation"] = (self.position_correlation, "positions")
        for name, (value, what) in correlations.items():
            if not 0.0 <= value <= 1.0:
                hint = f"many {what} cannot all be correlated below 0"
                raise DomainError(f"{name} must lie in [0, 1], got {value:g}", hint)
        if self.correlation == 1.0:
            raise DomainError("correlation must be below 1", "inputs that are all the same carry no signal")

    def signal(self, units: int, *, has_positions: bool) -> Signal:
        """Return the signal at the input.

        Args:
            units: Units of the input.
            has_positions: Whether there is more than one position.

        >>> InputStatistics(mean=1.0, std=2.0, correlation=0.25).signal(64, has_positions=False).var
        3.0
        """
        self.check()
        square, spread = self.mean**2, self.std**2
        # One input's second moment, of Gaussian data: the fourth moment is 3 s^4 + 6 m^2 s^2 + m^4.
        fresh = math.sqrt((2 * spread**2 + 4 * square * spread) / units) / (square + spread)
        same = square + self.position_correlation * spread
        other = square + self.position_correlation * self.correlation * spread
        return Signal(
            mean=self.mean,
            q=square + spread,
            var=(1.0 - self.correlation) * spread,
            positions=Positions(same, other) if has_positions else None,
            error=fresh,
            units=units,
            fresh=fresh,
        )
