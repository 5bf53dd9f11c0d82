"""Average pooling."""

from dataclasses import dataclass, replace

from propstats.estimate import Gradient, Positions, Signal
from propstats.rules.geometry import Meetings


@dataclass(frozen=True, slots=True)
class AveragePool:
    """The sum over a window of positions, divided by a number.

    With n positions in a window, s the mean product of two positions and k what is divided by, `q' = (n q + n (n - 1)
    s)/k^2`, in the mean over windows (padding leaves some with fewer), and the same for mean products of two inputs.
    All pairs of positions count as equally alike. Backwards a position gets `1/k` of the gradients of all its windows.

    Finite width: what the input has.

    Args:
        meetings: Which windows meet which positions.
        divisor: What the sum of a window is divided by.

    References:
        Arpit et al. 2016, arXiv:1603.01431, section 3.2.

    >>> from propstats.rules.geometry import Window
    >>> two_by_two = Window((2, 2), (2, 2), (0, 0), (1, 1)).meetings((4, 4))
    >>> AveragePool(two_by_two, 4).forward(Signal(0.0, 1.0, 1.0, positions=Positions(0.0, 0.0))).q
    0.25
    """

    meetings: Meetings
    divisor: float

    def forward(self, signal: Signal) -> Signal:
        """Return the signal after the layer."""
        pairs = signal.positions or Positions(signal.q, signal.overlap)
        q, same = self._gathered(signal.q, pairs.same)
        overlap_part, other = self._gathered(signal.var, pairs.same - pairs.other)
        return replace(
            signal,
            mean=self.meetings.pairs / (self.meetings.outputs * self.divisor) * signal.mean,
            q=q,
            var=overlap_part,
            positions=None if self.meetings.outputs == 1 else Positions(same, same - other),
        )

    def backward(self, gradient: Gradient, signal: Signal) -> Gradient:
        """Return the gradient at the input."""
        m, square = self.meetings, self.divisor**2
        at_one = m.pairs * gradient.q + (m.squared_by_input - m.pairs) * gradient.positions
        everywhere = m.squared_by_output * gradient.q + (m.pairs**2 - m.squared_by_output) * gradient.positions
        at_two = (everywhere - at_one) / (m.inputs * (m.inputs - 1)) if m.inputs > 1 else 0.0
        return replace(gradient, q=at_one / (m.inputs * square), positions=at_two / square)

    def _gathered(self, at_one: float, at_two: float) -> tuple[float, float]:
        """Return the mean product of the sums, of a window with itself and of two windows.

        It is linear in the mean products at one position and at two, so that variances go the same way.
        """
        m, square = self.meetings, self.divisor**2
        own = (m.pairs * at_one + (m.squared_by_output - m.pairs) * at_two) / (m.outputs * square)
        if m.outputs == 1:
            return own, own
        shared = m.squared_by_input - m.pairs  # positions that two windows have in common, over all pairs of windows
        apart = (m.pairs**2 - m.squared_by_output) * at_two + shared * (at_one - at_two)
        return own, apart / (m.outputs * (m.outputs - 1) * square)
