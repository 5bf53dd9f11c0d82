"""Rates over depth: by what factor does signal, or gradient, change in each layer of weights?"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile

import numpy as np

from propstats.auditing.judging.limits import Z95
from propstats.auditing.judging.stream import averaged, stations
from propstats.auditing.measuring.call import OUTSIDE, Call
from propstats.auditing.records import Layer, Rate, Trend

#: Below this share of the second moment a variance over the data is float32's rounding: where the signal has sunk into
#: it, the layers after tell nothing about rates.
_ROUNDING = (8 * 2.0**-23) ** 2


@dataclass(frozen=True, slots=True)
class Path:
    """The layers of weights that a signal or a gradient passes, in its order, with what it carries after each.

    Args:
        layers: The layers.
        squares: What was measured, as squares of a scale.
        expected: The same by theory; None where there is no expectation.
    """

    layers: Sequence[Layer]
    squares: Sequence[float]
    expected: Sequence[float | None]


def forward_path(layers: Sequence[Layer], calls: Sequence[Call] = (), result: int = OUTSIDE) -> Path:
    """Follow the signal: its variance over the data, in the mean over units.

    Where there is a way round a layer, what counts is the signal behind both; averages over positions count for nothing
    (`propstats.auditing.judging.stream`).

    Args:
        layers: The layers.
        calls: All calls of the network; none, for layers that follow each other.
        result: The call that gives its output.
    """
    at, lost = stations(layers, calls, result), averaged(calls, result)
    weights = [layer for layer in layers if layer.is_weights]
    audible = list(takewhile(lambda layer: _is_audible(at[layer.name, layer.call]), weights))
    known = audible or weights
    back = _times(layers, {key: variance for key, (variance, _) in lost.items()})
    seen = [at[layer.name, layer.call] for layer in known]
    return Path(
        known,
        [layer.forward.var.value * back[layer.name, layer.call] for layer in seen],
        [layer.expected.var * back[layer.name, layer.call] if layer.expected else None for layer in seen],
    )


def _is_audible(layer: Layer) -> bool:
    return layer.forward.var.value > _ROUNDING * layer.forward.q.value


def backward_path(layers: Sequence[Layer], calls: Sequence[Call] = (), result: int = OUTSIDE) -> Path:
    """Follow the gradient: its squared norm, which layers that change the width, pool or reshape keep.

    Where there is a way round a layer, what counts is the gradient behind both; averages over positions count for
    nothing. Where a layer of zeros cuts it off until the first step of training, there is no gradient to follow yet.

    Args:
        layers: The layers.
        calls: All calls of the network; none, for layers that follow each other.
        result: The call that gives its output.
    """
    at, lost = stations(layers, calls, result), averaged(calls, result)
    weights = _reached([layer for layer in layers if layer.is_weights])[::-1]
    back = _times(layers[::-1], {key: norm for key, (_, norm) in lost.items()}, after=True)
    seen = [at[layer.name, layer.call] for layer in weights]
    factors = [back[layer.name, layer.call] for layer in seen]
    expected = [layer.expected.gradient_output if layer.expected else None for layer in seen]
    return Path(
        weights,
        [gradient_norm(layer) * factor for layer, factor in zip(seen, factors, strict=True)],
        [
            math.prod(layer.shape) * value * factor if value is not None else None
            for layer, value, factor in zip(seen, expected, factors, strict=True)
        ],
    )


def _times(
    layers: Sequence[Layer], factors: Mapping[tuple[str, int], float], *, after: bool = False
) -> Mapping[tuple[str, int], float]:
    """Return the product of the factors of all layers up to each one: with its own, or `after` it."""
    product, found = 1.0, {}
    for layer in layers:
        key = layer.name, layer.call
        own = factors.get(key, 1.0)
        found[key] = product if after else product * own
        product *= own
    return found


def _reached(weights: Sequence[Layer]) -> list[Layer]:
    """Leave out layers without gradient for no other reason than zeros behind them that the first step fills.

    Zeros do that as the last layer, and at the end of a branch that the gradient goes round (Fixup has both). In the
    middle of a chain they end it for good, and the layers before them stay.
    """
    gradients = [gradient_norm(layer) for layer in weights]
    last = len(weights) - 1
    kept = []
    for i, (layer, gradient) in enumerate(zip(weights, gradients, strict=True)):
        source = next((k for k in range(i + 1, last + 1) if gradients[k] > 0.0), last)
        is_round = any(before > 0.0 for before in gradients[:i])
        if not (gradient == 0.0 and weights[source].sigma_w == 0.0 and source > i and (source == last or is_round)):
            kept.append(layer)
    return kept


def trend(layers: Sequence[Layer], calls: Sequence[Call] = (), result: int = OUTSIDE) -> Trend:
    """Fit the factor per layer of weights to what was measured, and to what theory expects.

    Rates are of root mean squares, so that they are scales of singular values.

    Args:
        layers: The layers.
        calls: All calls of the network; none, for layers that follow each other.
        result: The call that gives its output.
    """
    return Trend(_rate(forward_path(layers, calls, result)), _rate(backward_path(layers, calls, result)))


def gradient_norm(layer: Layer) -> float:
    """Return the mean squared norm of the gradient at a layer's output; NaN where it was not measured."""
    return math.prod(layer.shape) * layer.backward.output.value if layer.backward.output else math.nan


def _rate(path: Path) -> Rate | None:
    """Regress the logarithm of a scale on depth; None for fewer than two layers."""
    squares, expected = path.squares, path.expected
    if len(squares) < 2 or not all(math.isfinite(value) for value in squares):
        return None
    if min(squares) <= 0.0:  # it died altogether: no rate describes that
        return Rate(0.0, (0.0, 0.0), 0.0, expected_rate(expected))
    slope, error = _slope([0.5 * math.log(value) for value in squares])
    interval = (math.exp(slope - error), math.exp(slope + error))
    return Rate(math.exp(slope), interval, math.sqrt(squares[-1] / squares[0]), expected_rate(expected))


def expected_rate(expected: Sequence[float | None]) -> float | None:
    """Return the rate of a scale whose squares theory expects; None where it does not know all of them."""
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

    quantile = float(stdtrit(n - 2, 0.975)) if n < 200 else Z95
    return slope, quantile * math.sqrt(float(residual @ residual) / (n - 2) / spread)
