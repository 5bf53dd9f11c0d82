"""What layers hand to each other: a signal forwards, a gradient backwards."""

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Positions:
    """What the positions of an image, or the tokens of a sequence, have in common.

    All pairs of positions count as equally alike. Both numbers are means of products, of the same unit.

    Args:
        same: Of two positions of one input.
        other: Of two positions, of two inputs.
    """

    same: float
    other: float


@dataclass(frozen=True, slots=True)
class Signal:
    """What one layer hands to the next, pooled over the units of the layer.

    Args:
        mean: Mean over units and data.
        q: Second moment over units and data (dimensionless; not the variance).
        var: Variance over the data, in the mean over units: what the layer can still tell apart.
        error: Relative standard error of `q` and `var` that finite width and finite data allow.
        positions: What two positions have in common; None where that is not known, or there is one only.
        units: How many independent units `q` is a mean over; infinite where that is part of `error` already.
        fresh: The part of `error` that these units add, which is gone when the next layer sums over them.

    >>> Signal(mean=0.5, q=1.25, var=1.0).c  # (1.25 - 1)/1.25
    0.19999999999999996
    """

    mean: float
    q: float
    var: float
    error: float = 0.0
    positions: Positions | None = None
    units: float = math.inf
    fresh: float = 0.0

    @property
    def c(self) -> float:
        """Correlation of two inputs: the mean over units of `E[x]^2`, divided by `q`."""
        return 1.0 - self.var / self.q if self.q > 0 else 1.0

    @property
    def overlap(self) -> float:
        """Mean product of two inputs at one unit and position."""
        return self.q - self.var

    @property
    def spread(self) -> float:
        """Variance over units and data together."""
        return max(self.q - self.mean**2, 0.0)

    @property
    def inherited(self) -> float:
        """The part of `error` that stems from the layers before."""
        return inherited(self.error, self.fresh)


@dataclass(frozen=True, slots=True)
class Gradient:
    """What one layer hands back to the one before, pooled over units, positions and data.

    Args:
        q: Second moment.
        error: Relative standard error of `q` that finite width allows.
        positions: Mean product of the gradients at two positions of one unit.
        fresh: The part of `error` that this layer's units add.
    """

    q: float
    error: float = 0.0
    positions: float = 0.0
    fresh: float = 0.0

    @property
    def inherited(self) -> float:
        """The part of `error` that stems from the layers behind."""
        return inherited(self.error, self.fresh)


def inherited(error: float, fresh: float) -> float:
    """Return what is left of an error without an independent part of it.

    >>> round(inherited(0.5, 0.4), 12)
    0.3
    """
    return math.sqrt(max(error**2 - fresh**2, 0.0)) if math.isfinite(error) else error
