"""What many layers in a row leave of a signal's and of a gradient's second moment, for many weight scales at once."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from propstats.activations import Activation
from propstats.expectation import quadrature
from propstats.expectation.moments import BASE

Array = NDArray[np.float64]

#: Second moments that are followed exactly; beyond them an activation either grows in proportion or is not followed.
_SMALLEST, _LARGEST = 1e-60, 1e60
_PROPORTIONAL = 1e-2
#: Beside q, for the derivatives by which errors of one layer are passed on to the next: first order is enough.
_BESIDE = np.array([1 - 1e-3, 1.0, 1 + 1e-3])
#: With which power of the input's standard deviation moments grow, of what grows in proportion; the others do not.
_DEGREES = {"mean": 1.0, "second_moment": 2.0, "var": 2.0, "var_rate": 2.0}
#: A handful of operations in each layer.
_EPS = float(np.finfo(np.float64).eps)
_ROUNDINGS = 8 * _EPS


@dataclass(frozen=True)
class Layers:
    """Equal layers `h -> W (phi(h) - shift)/scale + b`, one kind of layer for each entry of the arrays, shape (n,).

    Args:
        gain: Terms of an output times the variance of a weight.
        gradient_gain: Terms of an input's gradient times the variance of a weight.
        bias: Variance of a bias.
        shift: What is subtracted after the activation.
        scale: What it is divided by then.
    """

    gain: Array
    gradient_gain: Array
    bias: Array
    shift: Array
    scale: Array

    @classmethod
    def plain(cls, gain: Array, gradient_gain: Array) -> "Layers":
        """Return layers without biases and without normalisation."""
        zero = np.zeros_like(gain)
        return cls(gain, gradient_gain, zero, zero, zero + 1.0)


@dataclass(frozen=True)
class Remaining:
    """Logarithms of what remains, and bounds on their errors, shape (n,); infinite where a float has no such number.

    Args:
        forward: Second moment of the pre-activations after the last layer, divided by that before the first.
        forward_error: Bound on the error of its logarithm.
        backward: The same of the gradient, from the last layer's output back to the first layer's input.
        backward_error: Bound on the error of its logarithm.
    """

    forward: Array
    forward_error: Array
    backward: Array
    backward_error: Array

    def worst(self) -> Array:
        """Return the larger of the two changes, up or down, as a logarithm."""
        both = np.maximum(np.abs(self.forward), np.abs(self.backward))
        return np.asarray(np.where(np.isnan(both), np.inf, both))


def remaining(act: Activation, layers: Layers, *, std: float, depth: int) -> Remaining:
    """Pass second moments through `depth` layers at infinite width.

    `q' = gain E[((phi(sqrt(q) z) - shift)/scale)^2] + bias` forwards, and backwards the product of
    `gradient_gain E[(phi'(sqrt(q) z)/scale)^2]`: slopes and gradients count as independent.

    Args:
        act: phi.
        layers: The layers.
        std: Standard deviation of the pre-activations before the first activation.
        depth: Number of layers.

    References:
        Poole et al. 2016, arXiv:1606.05340, Eq. 3; Schoenholz et al. 2017, arXiv:1611.01232, Eq. 5.

    >>> from propstats.activations import activation
    >>> lecun = Layers.plain(np.array([1.0]), np.array([1.0]))
    >>> left = remaining(activation("relu"), lecun, std=1.0, depth=10)
    >>> round(float(np.exp(left.forward)[0]) * 2**10, 12)
    1.0
    """
    count, moments = layers.gain.size, Moments(act)
    q = np.full(count, std**2)
    forward, backward, error, back_error, lost = np.zeros((5, count))
    summed, back_summed = np.zeros((2, count))  # what adding up the logarithms rounds
    with np.errstate(all="ignore"):
        for _ in range(depth):
            after, slope, after_error, slope_error = _layer(moments, layers, q, _BESIDE)
            # By how much relative errors of q grow, from the values beside it.
            amplified, bent = (
                np.nan_to_num(np.abs(np.log(moment[2] / moment[0])) / math.log(_BESIDE[2] / _BESIDE[0]), posinf=0.0)
                for moment in (after, slope)
            )
            forward += np.log(after[1] / q)
            backward += np.log(slope[1])
            back_error += bent * error + slope_error + _ROUNDINGS
            summed, back_summed = summed + _EPS * np.abs(forward), back_summed + _EPS * np.abs(backward)
            error = amplified * error + after_error + _ROUNDINGS
            inside = np.clip(np.nan_to_num(after[1], nan=_LARGEST), _SMALLEST, _LARGEST)
            # Out there only what grows in proportion can be followed.
            lost += np.isnan(after[1]) | ((inside != after[1]) & (np.abs(amplified - 1.0) > _PROPORTIONAL))
            q = np.where(lost > 0, std**2, inside)  # the lost cost nothing more
    gone = lost > 0
    forward[gone] = np.copysign(np.inf, np.nan_to_num(forward[gone], nan=1.0))
    backward[gone] = np.nan
    return Remaining(forward, error + summed, backward, back_error + back_summed)


def largest_change(act: Activation, layers: Layers, *, std: float, depth: int, within: float) -> Array:
    """Return the larger of the two changes over all layers, up or down, as a logarithm, without its error.

    Args:
        act: phi.
        layers: The layers.
        std: Standard deviation of the pre-activations before the first activation.
        depth: Number of layers.
        within: What changes by more is not followed to the end: its change counts as infinite.

    >>> from propstats.activations import activation
    >>> halved = Layers.plain(np.array([1.0]), np.array([1.0]))
    >>> change = largest_change(activation("relu"), halved, std=1.0, depth=10, within=8.0)
    >>> round(float(change[0]) / math.log(2), 12)
    10.0
    """
    moments, start = Moments(act), np.full(layers.gain.size, std**2)
    q, forward, backward, change = start, *np.zeros((3, start.size))
    with np.errstate(all="ignore"):
        for _ in range(depth):
            after, slope, _, _ = _layer(moments, layers, q, np.ones(1))
            forward, backward = forward + np.log(after[0] / q), backward + np.log(slope[0])
            now = np.maximum(np.abs(forward), np.abs(backward))
            inside = (after[0] > _SMALLEST) & (after[0] < _LARGEST)
            change = np.where((change <= within) & (now <= within) & inside, now, np.inf)
            q = np.where(np.isinf(change), start, after[0])
    return change


class Moments:
    """The moments of an activation under N(0, q), each computed once: schemes are alike, and signals settle.

    >>> from propstats.activations import activation
    >>> Moments(activation("relu")).at(np.array([1.0, 4.0]))["second_moment"].round(12).tolist()
    [0.5, 2.0]
    """

    def __init__(self, act: Activation) -> None:
        self._act = act
        self._unit = quadrature.values(act, 0.0, 1.0) if act.is_homogeneous else None
        self._known: dict[float, Array] = {}

    def at(self, q: Array) -> quadrature.Values:
        """Return the moments for all q, of any shape."""
        if self._unit is not None:
            degree = np.array([_DEGREES.get(name, 0.0) for name in BASE]).reshape(-1, *[1] * q.ndim)
            size = np.sqrt(q) ** degree
            values, errors = (a.reshape(degree.shape) * size for a in (self._unit.moments, self._unit.errors))
            return quadrature.Values(values, errors + _ROUNDINGS / 4 * np.abs(values))
        flat = q.ravel().tolist()
        new = [number for number in dict.fromkeys(flat) if number not in self._known]
        if new:
            found = quadrature.values(self._act, 0.0, np.sqrt(new))
            self._known |= zip(new, np.stack([found.moments, found.errors]).T, strict=True)
        table = np.stack([self._known[number] for number in flat]).T
        return quadrature.Values(*table.reshape(2, len(BASE), *q.shape))


def _layer(moments: Moments, layers: Layers, q: Array, beside: Array) -> tuple[Array, Array, Array, Array]:
    """Return the next second moment and squared slope at `beside` times q, and their relative errors in the middle."""
    middle = beside.size // 2
    found = moments.at(beside[:, None] * q)
    offset = found["mean"] - layers.shift
    square, size = found["var"] + offset**2, layers.scale**2
    square_error = (found.error("var") + (2 * np.abs(offset) + found.error("mean")) * found.error("mean"))[middle]
    after = layers.gain / size * square + layers.bias
    slope = layers.gradient_gain / size * found["slope_second_moment"]
    slope_error = (found.error("slope_second_moment") / found["slope_second_moment"])[middle]
    return after, slope, layers.gain / size * square_error / after[middle], slope_error
