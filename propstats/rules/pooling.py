"""Average pooling, and power-average pooling."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from propstats.errors import DomainError
from propstats.signals import Gradient, Positions, Signal
from propstats.theory.pooling.geometry import PoolAxis
from propstats.theory.pooling.layer import PoolLayer
from propstats.theory.pooling.layout import Layout
from propstats.theory.pooling.window import window_moments


@lru_cache(maxsize=256)
def laid(layer: PoolLayer) -> Layout:
    """Return the windows of a layer."""
    return layer.layout()


@dataclass(frozen=True, slots=True)
class Shares:
    """How an average shares inputs among outputs, `y_o = sum_i a_oi x_i`; over several axes all numbers multiply.

    Args:
        inputs: Number of input positions.
        outputs: Number of outputs.
        total: Sum of all a.
        squares: Sum of their squares.
        by_output: Sum over outputs of the squared sum of their a.
        by_input: Sum over inputs of the squared sum of their a.
    """

    inputs: int
    outputs: int
    total: float
    squares: float
    by_output: float
    by_input: float

    @classmethod
    def of(cls, axes: Sequence[PoolAxis], *, padded: bool, scale: float = 1.0) -> "Shares":
        """Return the shares of windows along axes.

        Args:
            axes: The axes.
            padded: Whether a window divides by padding as well.
            scale: What all a are multiplied by.
        """
        total, squares, by_output, by_input = scale, scale**2, scale**2, scale**2
        for axis in axes:
            divisors = axis.spans if padded else axis.inputs
            kinds = list(zip(axis.windows, axis.inputs, divisors, strict=True))
            total *= sum(count * n / k for count, n, k in kinds)
            squares *= sum(count * n / k**2 for count, n, k in kinds)
            by_output *= sum(count * (n / k) ** 2 for count, n, k in kinds)
            sums = sum(cover / k for cover, k in zip(axis.cover, divisors, strict=True))
            by_input *= float((axis.positions * sums**2).sum())
        sizes = math.prod(axis.size for axis in axes)
        return cls(sizes, math.prod(axis.outputs for axis in axes), total, squares, by_output, by_input)

    @classmethod
    def of_weights(cls, weights: Sequence[NDArray[np.float64]]) -> "Shares":
        """Return the shares of weights along axes, shape (inputs, outputs) each."""
        sums = [
            (a.sum(), np.square(a).sum(), np.square(a.sum(axis=0)).sum(), np.square(a.sum(axis=1)).sum())
            for a in weights
        ]
        total, squares, by_output, by_input = (math.prod(map(float, column)) for column in zip(*sums, strict=True))
        inputs, outputs = (math.prod(a.shape[side] for a in weights) for side in (0, 1))
        return cls(inputs, outputs, total, squares, by_output, by_input)


@dataclass(frozen=True, slots=True)
class AveragePool:
    """The average over a window of positions, or another linear map of positions whose weights are known.

    With n positions in a window, s the mean product of two positions and k what is divided by, `q' = (n q + n (n - 1)
    s)/k^2`, in the mean over windows (padding leaves some with fewer), and the same for mean products of two inputs.
    All pairs of positions count as equally alike. Backwards a position gets `1/k` of the gradients of all its windows.

    Finite width: what the input has.

    Args:
        shares: Which window takes how much of which position.

    References:
        Arpit et al. 2016, arXiv:1603.01431, section 3.2.

    >>> from propstats.theory.pooling.layer import pool_layer
    >>> two_by_two = average_pool(pool_layer("average", 2, size=4, dims=2))
    >>> two_by_two.forward(Signal(0.0, 1.0, 1.0, positions=Positions(0.0, 0.0))).q
    0.25
    """

    shares: Shares

    def forward(self, signal: Signal) -> Signal:
        """Return the signal after the layer."""
        pairs = signal.positions or Positions(signal.q, signal.overlap)
        q, same = self._gathered(signal.q, pairs.same)
        var, apart = self._gathered(signal.var, pairs.same - pairs.other)
        return replace(
            signal,
            mean=self.shares.total / self.shares.outputs * signal.mean,
            q=q,
            var=var,
            positions=None if self.shares.outputs == 1 else Positions(same, same - apart),
        )

    def backward(self, gradient: Gradient, signal: Signal) -> Gradient:
        """Return the gradient at the input."""
        s = self.shares
        at_one = s.squares * gradient.q + (s.by_input - s.squares) * gradient.positions
        everywhere = s.by_output * gradient.q + (s.total**2 - s.by_output) * gradient.positions
        at_two = (everywhere - at_one) / (s.inputs * (s.inputs - 1)) if s.inputs > 1 else 0.0
        return replace(gradient, q=at_one / s.inputs, positions=at_two)

    def _gathered(self, at_one: float, at_two: float) -> tuple[float, float]:
        """Return the mean product of the sums, of a window with itself and of two windows.

        It is linear in the mean products at one position and at two, so that variances go the same way.
        """
        s = self.shares
        own = (s.squares * at_one + (s.by_output - s.squares) * at_two) / s.outputs
        if s.outputs == 1:
            return own, own
        shared = s.by_input - s.squares  # positions that two windows have in common, over all pairs of windows
        apart = (s.total**2 - s.by_output) * at_two + shared * (at_one - at_two)
        return own, apart / (s.outputs * (s.outputs - 1))


def average_pool(layer: PoolLayer, scale: float = 1.0) -> AveragePool:
    """Return the rule of a layer of average pooling, of any stride, padding and `ceil_mode`.

    Args:
        layer: The layer, with the sizes of its input.
        scale: What averages are multiplied by.
    """
    return AveragePool(Shares.of(laid(layer).axes, padded=layer.count_include_pad, scale=scale))


@dataclass(frozen=True, slots=True)
class PowerPool:
    """Power-average pooling, `(sum x^p)^(1/p)`, of Gaussian inputs.

    Mean, second moment and slopes are those of `propstats.theory.pooling`, in the mean over windows. Two inputs, and
    two windows, are an approximation: what their outputs have in common is the mean product of means and, of the rest,
    as much as their inputs' squares have in common (the square of their correlation).

    Finite width: what the input has.

    Args:
        layer: The layer, with the sizes of its input.
    """

    layer: PoolLayer

    def forward(self, signal: Signal) -> Signal:
        """Return the signal after the layer."""
        found = self._moments(signal)
        mean, q = found["mean"], found["second_moment"]
        spread = q - mean**2
        pairs = signal.positions or Positions(signal.q, signal.overlap)

        def product(overlap: float) -> float:
            rho = (overlap - signal.mean**2) / signal.spread if signal.spread > 0 else 1.0
            return mean**2 + min(max(rho, 0.0), 1.0) ** 2 * spread

        several = laid(self.layer).outputs > 1
        positions = Positions(product(pairs.same), product(pairs.other)) if several else None
        return replace(signal, mean=mean, q=q, var=q - product(signal.overlap), positions=positions)

    def backward(self, gradient: Gradient, signal: Signal) -> Gradient:
        """Return the gradient at the input."""
        layout = laid(self.layer)
        slope = self._moments(signal)["slopes"] * layout.outputs / layout.size
        return replace(gradient, q=slope * gradient.q, positions=0.0)

    def _moments(self, signal: Signal) -> dict[str, float]:
        """Return the moments in the mean over windows, and the squared slopes of all inputs of one."""
        layout = laid(self.layer)
        found = {"mean": 0.0, "second_moment": 0.0, "slopes": 0.0}
        for share, n, moments in _windows(self.layer, layout, signal):
            found["mean"] += share * moments["mean"]
            found["second_moment"] += share * moments["second_moment"]
            found["slopes"] += share * (moments["first"] + (n - 1) * moments["other"])
        return found


def _windows(layer: PoolLayer, layout: Layout, signal: Signal) -> list[tuple[float, int, dict[str, float]]]:
    """Return the share, the inputs and the moments of each kind of window."""
    same = signal.positions.same if signal.positions is not None else signal.q
    rho = (same - signal.mean**2) / signal.spread if signal.spread > 0 else 0.0
    rho = min(max(rho, 0.0), 1.0)
    found = []
    for share, window in zip(layout.shares, layout.windows, strict=True):
        power = layer.power
        if power is None:
            raise DomainError(f"{layer.kind} pooling has no power")
        moments = window_moments("lp", window.inputs, mean=signal.mean, var=signal.spread, correlation=rho, power=power)
        found.append((float(share), window.inputs, {name: one.value for name, one in moments.items()}))
    return found
