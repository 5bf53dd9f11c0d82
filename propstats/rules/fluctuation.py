"""What a fluctuating second moment does to the expectation of what depends on it.

At finite width the second moment of a layer's input is not the same for every draw of the weights and every input.
Pre-activations are Gaussian given that number, so that what a layer hands on is an average over it: to first order in
1/width that needs its relative variance only. Two atoms stand for its distribution, with the skewness of a sum of
squares (a gamma distribution): they are never negative.
"""

import math
from dataclasses import replace

from propstats.signals import Positions, Signal


def atoms(error: float) -> tuple[tuple[float, float], ...]:
    """Return factors and their probabilities: mean 1, standard deviation `error`, skewness `2 error`.

    >>> [(round(x, 6), round(p, 6)) for x, p in atoms(0.75)]
    [(0.625, 0.8), (2.5, 0.2)]
    >>> atoms(0.0)
    ((1.0, 1.0),)
    """
    if error == 0.0 or not math.isfinite(error):
        return ((1.0, 1.0),)
    root = math.sqrt(1.0 + error**2)
    return tuple((1.0 + error * (error + sign * root), 0.5 * (1.0 - sign * error / root)) for sign in (-1, 1))


def possible(signal: Signal) -> list[tuple[Signal, float]]:
    """Return signals that a layer may get, with their probabilities.

    What fluctuates is what the layers before leave open; a signal that was measured is what it is.

    Args:
        signal: The signal on average.
    """
    error = 0.0 if math.isinf(signal.units) or signal.spread == 0.0 else signal.inherited * signal.q / signal.spread
    return [(_scaled(signal, factor), probability) for factor, probability in atoms(error)]


def average(signals: list[tuple[Signal, float]]) -> Signal:
    """Return the signal that several are on average, with the errors of the first."""
    first = signals[0][0]
    positions = None
    if first.positions is not None:
        known = [(s.positions, p) for s, p in signals if s.positions is not None]
        positions = Positions(sum(x.same * p for x, p in known), sum(x.other * p for x, p in known))
    return replace(
        first,
        mean=sum(s.mean * p for s, p in signals),
        q=sum(s.q * p for s, p in signals),
        var=sum(s.var * p for s, p in signals),
        positions=positions,
    )


def _scaled(signal: Signal, factor: float) -> Signal:
    """Return a signal whose deviations from its mean are larger; its correlations stay."""
    if factor == 1.0:
        return signal
    square = signal.mean**2

    def product(overlap: float) -> float:
        return square + factor * (overlap - square)

    positions = signal.positions
    return replace(
        signal,
        q=product(signal.q),
        var=factor * signal.var,
        positions=positions and Positions(product(positions.same), product(positions.other)),
    )
