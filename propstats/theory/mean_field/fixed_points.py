"""All fixed points of the second moment's map, and an honest account of where there is none.

In log q the second moment `E[phi(sqrt(q) z)^2]` is a convolution with the law of `log z^2`, whose Fourier transform
falls like `exp(-pi omega/2)`: at twelve points a decade nothing of it is lost that is larger than 1e-11 of the whole,
so that a scan sees every fixed point.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from propstats.expectation.quadrature.rule import Array
from propstats.theory.mean_field.runs import runs
from propstats.theory.mean_field.second_moment import EPS, LOWEST, SecondMomentMap

_PER_DECADE = 12
#: Beyond all that the activation does by itself, it only grows, if at all.
_FEWER = 4
#: Where the scan begins without a bias, and where it ends at the latest, or as far above the variance of the biases.
_BOTTOM, _TOP = 1e-32, 1e16
#: It ends sooner, but not before `_USUAL`, once the map is so much below q: what is still to come cannot make it up.
_FAR_BELOW, _USUAL = 1e-3, 1e4
#: Points within rounding of being fixed over more than a decade are a stretch, and no uncertain root.
_STRETCH = _PER_DECADE
_TINY = 1e-300


@dataclass(frozen=True, slots=True)
class Root:
    """A fixed point of the second moment's map.

    Args:
        q: Where it is.
        error: A fixed point lies within this of q: there the map is certainly above q on one side, and below it on the
            other. Of a point where it only touches, how far it is within its own error of being fixed.
        touches: Whether the map only touches the diagonal there.
    """

    q: float
    error: float
    touches: bool = False


@dataclass(frozen=True, slots=True)
class Roots:
    """All fixed points of the second moment's map.

    Args:
        points: Those that stand alone, in ascending order.
        stretch: Between which q everything is fixed to within rounding, if there is such a stretch.
        grows: Whether the map is above q from the last of them on: larger signals grow without bound.
        top: How far that was looked at.
    """

    points: tuple[Root, ...]
    stretch: tuple[float, float] | None
    grows: bool
    top: float


def fixed_points(layer: SecondMomentMap) -> Roots:
    """Return all fixed points q of a layer's map.

    >>> from propstats.activations import activation
    >>> [round(root.q, 12) for root in fixed_points(SecondMomentMap(activation("relu"), 1.0, 1.0)).points]  # q/2 + 1
    [2.0]
    >>> fixed_points(SecondMomentMap(activation("relu"), 2.0**0.5, 0.0)).stretch  # every q: He et al. 2015
    (0.0, inf)
    """
    if layer.sigma_w == 0.0:
        return Roots((Root(layer.sigma_b**2, EPS * layer.sigma_b**2),), None, False, math.inf)
    scan = _scan(layer)
    zero = [Root(0.0, LOWEST if layer.sigma_b > 0.0 else 0.0)] if layer.starts_at_zero else []
    signs, q = scan.signs, scan.q
    if not signs.any():
        return Roots((), (0.0 if zero else float(q[0]), math.inf), False, float(q[-1]))
    found: list[Root] = []
    stretch: tuple[float, float] | None = None
    for first, last in runs(signs == 0):
        low, high = float(q[first]), float(q[last])
        if first == 0 and zero:
            # Around a marginal q = 0 rounding hides how the map departs from the diagonal.
            zero = [Root(0.0, high)]
        elif last - first >= _STRETCH and last < signs.size - 1:
            stretch = (low, high)
        elif first == 0:
            found.append(_refined(layer, (low / 2, float(q[last + 1]))))
    certain = np.flatnonzero(signs)
    for i, j in zip(certain[:-1].tolist(), certain[1:].tolist(), strict=True):
        inside = stretch is not None and q[i] < stretch[0] <= q[j]
        if signs[i] != signs[j] and not inside:
            found.append(_refined(layer, (float(q[i]), float(q[j]))))
        elif j - i > 1 and not inside:
            found.append(Root(float(np.sqrt(q[i + 1] * q[j - 1])), float(q[j] - q[i]) / 2, touches=True))
    found.extend(_dips(layer, scan))
    points = tuple(sorted([*zero, *found], key=lambda root: root.q))
    return Roots(points, stretch, bool(signs[certain[-1]] > 0), float(q[-1]))


@dataclass(frozen=True, slots=True)
class _Scan:
    """`log(T(q)/q)` on a grid, and the sign of `T(q) - q` where it is certain."""

    q: Array
    ratio: Array
    signs: Array


def _scan(layer: SecondMomentMap) -> _Scan:
    """Follow the map upwards from where no fixed point can be smaller, until it stays below."""
    bottom = _bottom(layer)
    # Where the activation does something by itself, the scan has to have been.
    usual = max(_USUAL, 1e4 * layer.beta**2, *(1e4 * kink**2 for kink in layer.activation.kinks), 1e4 * bottom)
    q, values, errors = np.empty(0), np.empty(0), np.empty(0)
    decades = max(math.ceil(math.log10(usual / bottom)), 1)
    start, per_decade, top = bottom, _PER_DECADE, _TOP * max(1.0, bottom)
    while True:
        step = start * 10.0 ** (np.arange(decades * per_decade) / per_decade)
        value, error = layer.values(step)
        known = np.isfinite(value)
        end = known.size if known.all() else int(np.argmin(known))
        q = np.concatenate([q, step[:end]])
        values, errors = np.concatenate([values, value[:end]]), np.concatenate([errors, error[:end]])
        start, decades, per_decade = start * 10.0**decades, 3, _FEWER
        if end < known.size or start >= top or values[-1] < _FAR_BELOW * q[-1]:
            break
    with np.errstate(divide="ignore"):
        ratio = np.log(values / q)
    signs = np.where(np.abs(values - q) > errors + 4 * EPS * q, np.sign(values - q), 0.0)
    return _Scan(q, ratio, signs)


def _bottom(layer: SecondMomentMap) -> float:
    """Return a second moment below which there is no fixed point but 0."""
    if layer.sigma_b**2 >= LOWEST:
        return layer.sigma_b**2
    if layer.floor >= LOWEST:
        return max(min(_BOTTOM, layer.floor / 1e3), LOWEST)
    bottom = _BOTTOM
    # On its way to 0 the map must be on the same side of the diagonal as it is there.
    while bottom > LOWEST and _sign(layer, bottom) * (layer.slope_at_zero - 1.0) < 0.0:
        bottom /= 1e8
    return bottom


def _refined(layer: SecondMomentMap, bracket: tuple[float, float]) -> Root:
    """Return the fixed point between two ends at which T(q) - q has different signs."""
    from scipy.optimize import brentq

    low, high = bracket
    ends = [_log_ratio(layer)(math.log(end)) for end in bracket]
    if ends[0] * ends[1] > 0.0:  # at the lower end, within rounding
        root = low
    else:
        root = math.exp(float(brentq(_log_ratio(layer), math.log(low), math.log(high), xtol=1e-16, rtol=4 * EPS)))
    return Root(root, _radius(lambda q: _sign(layer, q), root, bracket))


def _radius(sign: Callable[[float], int], root: float, bracket: tuple[float, float]) -> float:
    """Return how far from a root the sign is certain, and different, on both sides."""
    radius = 8 * EPS * root
    while True:
        low, high = max(root - radius, bracket[0]), min(root + radius, bracket[1])
        if (low == bracket[0] and high == bracket[1]) or sign(low) * sign(high) < 0:
            return max(root - low, high - root)
        radius *= 2


def _sign(layer: SecondMomentMap, q: float) -> int:
    found = layer.at(q)
    gap = found.value - q
    return 0 if abs(gap) <= found.error + 4 * EPS * q else 1 if gap > 0 else -1


def _log_ratio(layer: SecondMomentMap) -> Callable[[float], float]:
    def ratio(u: float) -> float:
        q = math.exp(u)
        return math.log(max(layer.at(q).value, _TINY) / q)

    return ratio


def _dips(layer: SecondMomentMap, scan: _Scan) -> Iterator[Root]:
    """Yield the fixed points that lie in pairs, or touch, between points of the scan of the same sign."""
    from scipy.optimize import minimize_scalar

    size = np.abs(scan.ratio)
    ratio = _log_ratio(layer)
    for i in range(1, size.size - 1):
        left, here, right = size[i - 1 : i + 2].tolist()
        same = scan.signs[i - 1] == scan.signs[i] == scan.signs[i + 1] != 0.0
        # A parabola through three points goes no further below the lowest than to the highest.
        if not (same and here <= left and here <= right and here < max(left, right) - here < math.inf):
            continue
        side = float(scan.signs[i])
        ends = (math.log(scan.q[i - 1]), math.log(scan.q[i + 1]))
        deepest = minimize_scalar(lambda u: side * ratio(u), bounds=ends, method="bounded", options={"xatol": 1e-9})  # noqa: B023
        q = math.exp(float(deepest.x))
        sign = _sign(layer, q)
        if sign == -side:
            yield _refined(layer, (float(scan.q[i - 1]), q))
            yield _refined(layer, (q, float(scan.q[i + 1])))
        elif sign == 0:
            yield Root(q, _touching(layer, q), touches=True)


def _touching(layer: SecondMomentMap, q: float) -> float:
    """Return how far the map stays within its error of the diagonal."""
    radius = 8 * EPS * q
    while radius < q / 2 and 0 in (_sign(layer, q - radius), _sign(layer, q + radius)):
        radius *= 2
    return radius
