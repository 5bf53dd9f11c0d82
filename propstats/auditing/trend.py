"""Rates over depth: by what factor does signal, or gradient, change in each layer of weights?"""

import math
from collections.abc import Sequence

import numpy as np

from propstats.auditing.records import Layer, Rate, Trend

#: 95 % of a Gaussian lie within this many standard deviations.
_Z95 = 1.959963984540054


def trend(layers: Sequence[Layer]) -> Trend:
    """Fit the factor per layer of weights to what was measured, and to what theory expects.

    The signal counts with its variance over the data per unit, the gradient with its squared norm over all units (which
    layers that change the width, pool or reshape keep), both at the outputs of layers of weights and as roots, so that a
    rate is the scale of a singular value.
    """
    weights = [layer for layer in layers if layer.is_weights]
    forward = _rate(
        [layer.forward.var.value for layer in weights],
        [layer.expected.var if layer.expected else None for layer in weights],
    )
    expected = [layer.expected.gradient_output if layer.expected else None for layer in weights]
    backward = _rate(
        [gradient_norm(layer) for layer in reversed(weights)],
        [
            math.prod(layer.shape) * gradient if gradient is not None else None
            for layer, gradient in zip(reversed(weights), reversed(expected), strict=True)
        ],
    )
    return Trend(forward, backward)


def gradient_norm(layer: Layer) -> float:
    """Return the mean squared norm of the gradient at a layer's output; NaN where it was not measured."""
    return math.prod(layer.shape) * layer.backward.output.value if layer.backward.output else math.nan


def _rate(squares: Sequence[float], expected: Sequence[float | None]) -> Rate | None:
    """Regress the logarithm of a root mean square on depth; None for fewer than two layers."""
    if len(squares) < 2 or not all(math.isfinite(value) for value in squares):
        return None
    if min(squares) <= 0.0:  # it died altogether: no rate describes that
        return Rate(0.0, (0.0, 0.0), 0.0, _expected_rate(expected))
    slope, error = _slope([0.5 * math.log(value) for value in squares])
    interval = (math.exp(slope - error), math.exp(slope + error))
    return Rate(math.exp(slope), interval, math.sqrt(squares[-1] / squares[0]), _expected_rate(expected))


def _expected_rate(expected: Sequence[float | None]) -> float | None:
    known = [value for value in expected if value is not None and value > 0]
    return math.exp(_slope([0.5 * math.log(value) for value in known])[0]) if len(known) == len(expected) else None


def _slope(values: Sequence[float]) -> tuple[float, float]:
    """Return the least-squares slope over 0, 1, 2 ... and the half-width of its 95 % interval."""
    n = len(values)
    x = np.arange(n) - (n - 1) / 2
    y = np.asarray(values)
    spread = float(x @ x)
    slope = float(x @ y) / spread
    if n < 3:
        return slope, 0.0
    residual = y - y.mean() - slope * x
    from scipy.special import stdtrit

    quantile = float(stdtrit(n - 2, 0.975)) if n < 200 else _Z95
    return slope, quantile * math.sqrt(float(residual @ residual) / (n - 2) / spread)
