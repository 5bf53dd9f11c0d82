"""Layers that take a part of a signal, repeat it, or scale and shift its units one by one."""

import math
from dataclasses import dataclass, replace

from propstats.signals import Gradient, Positions, Signal


@dataclass(frozen=True, slots=True)
class Part:
    """Some of the numbers of a signal: a slice, a token, one of several chunks.

    They count as like all others. Backwards the others get nothing: the mean square is that of the part times its
    share.

    Args:
        share: Which share of all numbers it is.
        positions: Whether more than one position is left.

    >>> Part(0.25).backward(Gradient(2.0), Signal(0.0, 1.0, 1.0)).q
    0.5
    """

    share: float
    positions: bool = True

    def forward(self, signal: Signal) -> Signal:
        """Return the signal after the layer."""
        return signal if self.positions else replace(signal, positions=None)

    def backward(self, gradient: Gradient, signal: Signal) -> Gradient:
        """Return the gradient at the input."""
        return replace(gradient, q=self.share * gradient.q, positions=self.share**2 * gradient.positions)


@dataclass(frozen=True, slots=True)
class Selected:
    """Some of the positions of a signal, which differ from the others as was measured.

    Rules pool over positions, so that which of them are taken is for data to say: the second moment and the variance
    are those of all positions times measured ratios. Backwards the others get nothing.

    Args:
        share: Which share of all numbers it is.
        q: Their second moment, as a multiple of that of all.
        var: The same for the variance.
        shift: By how many roots of the second moment their mean differs.
        positions: Whether more than one position is left.

    >>> Selected(0.25, 2.0, 0.5, 0.0, False).forward(Signal(0.0, 1.0, 1.0)).var
    0.5
    """

    share: float
    q: float
    var: float
    shift: float
    positions: bool

    def forward(self, signal: Signal) -> Signal:
        """Return the signal after the layer."""
        q, pairs = self.q * signal.q, signal.positions
        return replace(
            signal,
            mean=signal.mean + self.shift * math.sqrt(signal.q),
            q=q,
            var=min(self.var * signal.var, q),
            positions=Positions(self.q * pairs.same, self.q * pairs.other) if pairs and self.positions else None,
        )

    def backward(self, gradient: Gradient, signal: Signal) -> Gradient:
        """Return the gradient at the input."""
        return Part(self.share).backward(gradient, signal)


@dataclass(frozen=True, slots=True)
class Repeat:
    """Every number several times: nearest neighbours of an image that is enlarged, units that are expanded.

    Positions that repeat each other count as any two of the input, which is exact for many of them.

    Args:
        times: How often.
        units: Whether copies are units, which meet weights of their own, rather than positions.
    """

    times: int
    units: bool = False

    def forward(self, signal: Signal) -> Signal:
        """Return the signal after the layer."""
        return signal

    def backward(self, gradient: Gradient, signal: Signal) -> Gradient:
        """Return the gradient at the input: the sum of those of its copies."""
        if self.units:
            return replace(gradient, q=self.times * gradient.q, positions=self.times * gradient.positions)
        q = self.times * (gradient.q + (self.times - 1) * gradient.positions)
        return replace(gradient, q=q, positions=self.times**2 * gradient.positions)


@dataclass(frozen=True, slots=True)
class Beside:
    """A signal with constants beside it: zeros around an image, a token that is the same for all data.

    All statistics are means over both. Behind, the mixture counts as one Gaussian. Backwards the signal's numbers have
    the gradient of all.

    Args:
        share: Which share of the numbers is the signal's.
        mean: Mean of the constants.
        square: Their mean square.

    >>> Beside(0.25, 0.0, 0.0).forward(Signal(2.0, 8.0, 4.0)).q
    2.0
    """

    share: float
    mean: float
    square: float

    def forward(self, signal: Signal) -> Signal:
        """Return the signal after the layer."""
        rest, positions = 1.0 - self.share, signal.positions

        def product(overlap: float) -> float:
            cross = 2.0 * self.share * rest * signal.mean * self.mean
            return self.share**2 * overlap + cross + rest**2 * self.square

        q = self.share * signal.q + rest * self.square
        part = self.share * signal.q / q if q > 0.0 else 1.0
        return replace(
            signal,
            mean=self.share * signal.mean + rest * self.mean,
            q=q,
            var=self.share * signal.var,
            error=part * signal.error,
            fresh=part * signal.fresh,
            positions=positions and Positions(product(positions.same), product(positions.other)),
        )

    def backward(self, gradient: Gradient, signal: Signal) -> Gradient:
        """Return the gradient at the input."""
        return gradient


@dataclass(frozen=True, slots=True)
class Turned:
    """Positions become units and units positions, as for layers that mix tokens.

    Two units have nothing but their mean in common, and so have two positions of what is turned. Exact behind random
    weights.
    """

    def forward(self, signal: Signal) -> Signal:
        """Return the signal after the layer."""
        square = signal.mean**2
        return replace(signal, positions=Positions(square, square))

    def backward(self, gradient: Gradient, signal: Signal) -> Gradient:
        """Return the gradient at the input: two of its positions have passed different weights."""
        return replace(gradient, positions=0.0)


@dataclass(frozen=True, slots=True)
class PerUnit:
    """`y = w x + b` unit by unit, w and b independent of the signal and of each other: learned scales and shifts.

    Args:
        scale_mean: Mean of w.
        scale_square: Mean square of w.
        shift_mean: Mean of b.
        shift_square: Mean square of b.
        shift_same: Mean product of b at two positions; its mean square where all have the same.
        scale_same: The same of w.

    >>> PerUnit(1.0, 1.0, 0.5, 1.25).forward(Signal(2.0, 5.0, 1.0)).q
    8.25
    """

    scale_mean: float = 1.0
    scale_square: float = 1.0
    shift_mean: float = 0.0
    shift_square: float = 0.0
    shift_same: float | None = None
    scale_same: float | None = None

    def forward(self, signal: Signal) -> Signal:
        """Return the signal after the layer."""
        cross = 2.0 * self.scale_mean * self.shift_mean * signal.mean
        scales, shifts = self._same

        def product(overlap: float) -> float:
            return scales * overlap + cross + shifts

        q, positions = self.scale_square * signal.q + cross + self.shift_square, signal.positions
        share = self.scale_square * signal.q / q if q > 0.0 else 1.0  # what is constant carries no error
        return replace(
            signal,
            mean=self.scale_mean * signal.mean + self.shift_mean,
            q=q,
            var=self.scale_square * signal.var,
            error=share * signal.error,
            fresh=share * signal.fresh,
            positions=positions and Positions(product(positions.same), product(positions.other)),
        )

    def backward(self, gradient: Gradient, signal: Signal) -> Gradient:
        """Return the gradient at the input."""
        return replace(gradient, q=self.scale_square * gradient.q, positions=self._same[0] * gradient.positions)

    @property
    def _same(self) -> tuple[float, float]:
        """Mean products of scales, and of shifts, at two positions."""
        scale = self.scale_square if self.scale_same is None else self.scale_same
        return scale, self.shift_square if self.shift_same is None else self.shift_same
