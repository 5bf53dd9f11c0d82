"""Products of several signals: number by number, and sums of products."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from propstats.signals import Gradient, Positions, Signal


@dataclass(frozen=True, slots=True)
class Product:
    """`y = x z` of signals that count as independent over the units: all mean products multiply.

    That is exact where both have passed random zero-mean weights of their own (gates at initialisation); where trained
    gates follow what they multiply it is off, and the audit shows it.

    Finite width: relative errors that both inherit are added, fresh ones multiply as those of a gate.

    >>> Product().join([Signal(0.0, 2.0, 2.0), Signal(0.5, 0.5, 0.25)]).q
    1.0
    """

    def join(self, signals: Sequence[Signal]) -> Signal:
        """Return the signal after the layer."""
        x, z = signals
        units = min(x.units, z.units)
        positions = None
        if x.positions is not None or z.positions is not None:
            a, b = (s.positions or Positions(s.q, s.overlap) for s in (x, z))
            positions = Positions(a.same * b.same, a.other * b.other)
        return Signal(
            x.mean * z.mean,
            x.q * z.q,
            x.q * z.q - x.overlap * z.overlap,
            error=math.hypot(x.inherited + z.inherited, x.fresh, z.fresh),
            positions=positions,
            units=units,
            fresh=math.hypot(x.fresh, z.fresh),
        )

    def split(self, gradient: Gradient, signals: Sequence[Signal]) -> Sequence[Gradient]:
        """Return the gradient at each input."""
        x, z = signals
        return [self._through(gradient, z), self._through(gradient, x)]

    def _through(self, gradient: Gradient, other: Signal) -> Gradient:
        same = (other.positions or Positions(other.q, other.overlap)).same
        error = math.hypot(gradient.error, other.error)
        return Gradient(other.q * gradient.q, error, same * gradient.positions, gradient.fresh)


@dataclass(frozen=True, slots=True)
class Inner:
    """`y_ij = sum_k x_ik z_kj` over the units k of two signals that count as independent: the logits of attention.

    With n terms, `q' = n q_x q_z + n (n - 1) m_x^2 m_z^2`, and the same of mean products. Backwards an x gets one term
    for each j.

    Args:
        terms: n.
        left: For how many i there is one output.
        right: For how many j.
        times: What each sum is multiplied by.
        shift_mean: Mean of what is added, the same for all data.
        shift_square: Its mean square.
    """

    terms: int
    left: int
    right: int
    times: float = 1.0
    shift_mean: float = 0.0
    shift_square: float = 0.0

    def join(self, signals: Sequence[Signal]) -> Signal:
        """Return the signal after the layer."""
        x, z = signals
        n, constant = self.terms, self.terms * (self.terms - 1) * (x.mean * z.mean) ** 2
        q = n * x.q * z.q + constant
        overlap = n * x.overlap * z.overlap + constant
        error, square = math.hypot(x.error, z.error, math.sqrt(2.0 / n)), self.times**2
        mean = self.times * n * x.mean * z.mean
        added = self.shift_square + 2.0 * mean * self.shift_mean
        return Signal(mean + self.shift_mean, square * q + added, square * (q - overlap), error=error)

    def split(self, gradient: Gradient, signals: Sequence[Signal]) -> Sequence[Gradient]:
        """Return the gradient at each input."""
        x, z = signals
        return [
            Gradient(self.times**2 * count * gradient.q * other.q, math.hypot(gradient.error, other.error))
            for count, other in ((self.right, z), (self.left, x))
        ]
