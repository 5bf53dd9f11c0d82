"""Dropout in training mode; at test time it changes nothing."""

import math
from dataclasses import dataclass, replace

from propstats.errors import DomainError
from propstats.signals import Gradient, Positions, Signal


@dataclass(frozen=True, slots=True)
class Dropout:
    """Inverted dropout: what is kept, with probability q, is divided by q.

    The variance `(v + m^2)/q - m^2` is that over the data and the masks, which are drawn anew for each input: the mean
    product of two inputs stays, the second moment is divided by q. Backwards the second moment is divided by q.

    Finite width: masks of a layer of N units add `(1 - q)/(q N) E[x^4]/E[x^2]^2` to the relative variance of its second
    moment.

    Args:
        rate: Probability of dropping.
        whole_units: Whether a unit is dropped at all positions at once.

    Raises:
        DomainError: If the rate is not in [0, 1).

    References:
        Srivastava et al. 2014, JMLR 15, section 10 (the inverted form).

    >>> Dropout(0.5).forward(Signal(1.0, 2.0, 1.0)).var  # (1 + 1)/0.5 - 1
    3.0
    """

    rate: float
    whole_units: bool = False

    def __post_init__(self) -> None:
        if not 0.0 <= self.rate < 1.0:
            raise DomainError(f"the rate of dropout must lie in [0, 1), got {self.rate:g}", "it is the share dropped")

    def forward(self, signal: Signal) -> Signal:
        """Return the signal after the layer."""
        keep = 1.0 - self.rate
        q, positions = signal.q / keep, signal.positions
        if self.whole_units and positions is not None:
            positions = Positions(positions.same / keep, positions.other)
        # The fourth moment, relative: what made the second moment of these units fluctuate so far.
        masks = self.rate / keep * (1.0 / signal.units + signal.fresh**2)
        fresh, error = math.sqrt(signal.fresh**2 + masks), math.sqrt(signal.error**2 + masks)
        return replace(signal, q=q, var=q - signal.overlap, positions=positions, error=error, fresh=fresh)

    def backward(self, gradient: Gradient, signal: Signal) -> Gradient:
        """Return the gradient at the input."""
        keep = 1.0 - self.rate
        positions = gradient.positions / keep if self.whole_units else gradient.positions
        return replace(gradient, q=gradient.q / keep, positions=positions)
