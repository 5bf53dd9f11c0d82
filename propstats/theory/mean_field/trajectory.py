"""Layer by layer: how the second moment and the correlation travel, and where they end.

The second moment ends in a fixed point, or at infinity: it has no cycles. From
`q T'(q) = (sigma_w^2/2) E[phi^2 (z^2 - 1)]` follows `d log T/d log q >= -1/2`, while a cycle of two would need a mean
slope of -1; and a continuous map without a cycle of two converges wherever it starts (Coppel 1955, "The solution of
equations by iteration").
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from propstats.errors import DomainError
from propstats.estimate import Estimate, Route
from propstats.theory.mean_field.correlation import CorrelationMap
from propstats.theory.mean_field.fixed_points import Root, Roots
from propstats.theory.mean_field.second_moment import EPS, SecondMomentMap

MAX_DEPTH = 10_000
#: Squares of the largest float32 and of the smallest normal one: beyond, activations overflow or lose their digits.
_OVERFLOWS, _UNDERFLOWS = 3.4028234663852886e38**2, 1.1754943508222875e-38**2
#: Layers for which a map that is not monotone is followed: what it overshoots halves each time.
_PATIENCE = 1_000
_POINTS = 64


class Fate(StrEnum):
    """What becomes of the second moment with depth."""

    CONVERGES = "converges"  # to a fixed point
    STAYS = "stays"  # every q is a fixed point
    VANISHES = "vanishes"
    DIVERGES = "diverges"


@dataclass(frozen=True, slots=True)
class Limit:
    """Where the second moment ends.

    Args:
        fate: What becomes of it.
        root: The fixed point that it reaches, if it does.
        layer: The first layer at which activations overflow (underflow) in float32, if that happens within 10,000.
    """

    fate: Fate
    root: Root | None
    layer: int | None = None


@dataclass(frozen=True, slots=True)
class LayerState:
    """The pre-activations of one layer.

    Args:
        layer: Its number; 0 is where the trajectory starts.
        q: Their second moment.
        c: The correlation of two inputs; undefined where q is 0 or beyond floats.
    """

    layer: int
    q: Estimate
    c: Estimate


def limit(layer: SecondMomentMap, roots: Roots, q0: float) -> Limit:
    """Return where a second moment q0 ends.

    >>> from propstats.activations import activation
    >>> from propstats.theory.mean_field.fixed_points import fixed_points
    >>> steep = SecondMomentMap(activation("relu"), 2.0, 0.0)  # q doubles in each layer: float32 ends at 2^256
    >>> limit(steep, fixed_points(steep), 1.0).layer
    256
    """
    if roots.stretch is not None and roots.stretch[0] <= q0 <= roots.stretch[1]:
        return Limit(Fate.STAYS, Root(q0, 0.0))
    q = q0
    for _ in range(_PATIENCE):
        here = next((root for root in roots.points if abs(root.q - q) <= root.error), None)
        if here is not None:
            return _reached(layer, here, q0)
        after = layer.at(q).value
        goal = _next(roots, q, upwards=not after < q)
        if goal is None:
            return Limit(Fate.DIVERGES, None, _overflow(layer, q0))
        if _is_increasing(layer, q, goal.q):
            return _reached(layer, goal, q0)
        q = after
    return _reached(layer, min(roots.points, key=lambda root: abs(root.q - q)), q0)


def _overflow(layer: SecondMomentMap, q: float) -> int | None:
    """Return the first layer at which float32 overflows, if it is not too far."""
    for k in range(1, MAX_DEPTH + 1):
        q = layer.at(q).value
        if not q <= _OVERFLOWS:
            return k
    return None


def _reached(layer: SecondMomentMap, root: Root, q0: float) -> Limit:
    if root.q > 0.0:
        return Limit(Fate.CONVERGES, root)
    q = q0
    for k in range(1, MAX_DEPTH + 1):
        before, q = q, layer.at(q).value
        if q < _UNDERFLOWS:
            return Limit(Fate.VANISHES, root, k)
        if k > _PATIENCE and q > before * _UNDERFLOWS ** (1 / MAX_DEPTH):
            break  # at this pace it does not get there
    return Limit(Fate.VANISHES, root)


def _next(roots: Roots, q: float, *, upwards: bool) -> Root | None:
    """Return the fixed point next to q on the side to which the map moves it."""
    if upwards:
        return next((root for root in roots.points if root.q > q), None)
    return next((root for root in reversed(roots.points) if root.q < q), None)


def _is_increasing(layer: SecondMomentMap, start: float, goal: float) -> bool:
    """Whether the map is increasing on the way, so that a trajectory cannot jump over its goal."""
    values, errors = layer.values(np.linspace(min(start, goal), max(start, goal), _POINTS)[1:])
    return bool((np.diff(values) >= -(errors[1:] + errors[:-1])).all())


def trajectory(layer: SecondMomentMap, *, q0: float, c0: float, depth: int) -> Iterator[LayerState]:
    """Yield the second moment and the correlation of two inputs, from layer 0 on.

    The errors are those of each layer, carried on by the slopes of the maps.

    Args:
        layer: The map of a layer.
        q0: The second moment that the pre-activations of the first layer have, positive.
        c0: The correlation that those of two inputs have, in [-1, 1].
        depth: How many layers follow.

    Raises:
        DomainError: If a number is out of range.

    >>> from propstats.activations import activation
    >>> he = SecondMomentMap(activation("relu"), 2.0**0.5, 0.0)
    >>> [round(state.c.value, 9) for state in trajectory(he, q0=1.0, c0=0.0, depth=1)]  # 1/pi: Cho & Saul 2009
    [0.0, 0.318309886]
    """
    check_start(q0, c0, depth)
    q, gap = q0, 1.0 - c0
    q_error = gap_error = 0.0
    yield LayerState(0, _estimate(q, 0.0), _estimate(c0, 0.0))
    for k in range(1, depth + 1):
        found = layer.at(q)
        after, after_error = found.value, found.error
        if q == 0.0 or not 0.0 < after < math.inf:
            q = 0.0 if after == 0.0 else math.inf
            yield LayerState(k, _estimate(q, 0.0 if q == 0.0 else math.inf), _estimate(math.nan, math.inf))
            if q > 0.0:
                return
            continue
        if q_error > 0.0:
            after_error += abs(layer.slope(q).value) * q_error
        if gap > 0.0:
            gap, gap_error = _next_gap(CorrelationMap(layer, q, q_error), gap, gap_error, after, after_error)
        q, q_error = after, after_error
        yield LayerState(k, _estimate(q, q_error), _estimate(1.0 - gap, gap_error + EPS))


def _next_gap(pair: CorrelationMap, gap: float, error: float, q: float, q_error: float) -> tuple[float, float]:
    """Return 1 - c after a layer, at which the second moment is q, and its error; NaN where there is none."""
    moved = pair.gap(gap) * pair.q / q
    if not math.isfinite(moved):
        return math.nan, math.inf
    if error > 0.0:
        error *= pair.slope(1.0 - gap) * pair.q / q
    rounding = 32 * EPS + EPS / math.sqrt(gap) + 2 * pair.error / pair.q + q_error / q
    return min(moved, 2.0), error + moved * rounding


def _estimate(value: float, error: float) -> Estimate:
    return Estimate(value, error, Route.QUADRATURE)


def check_start(q0: float, c0: float, depth: int) -> None:
    """Refuse a trajectory that makes no sense.

    Raises:
        DomainError: If a number is out of range.
    """
    if not 0.0 < q0 < 1e100:
        raise DomainError(f"q0 must be a positive number, got {q0:g}", "it is the second moment of the pre-activations")
    if not -1.0 <= c0 <= 1.0:
        raise DomainError(f"c0 must lie in [-1, 1], got {c0:g}", "it is the correlation of two inputs")
    if not 0 <= depth <= MAX_DEPTH:
        raise DomainError(f"depth must be between 0 and {MAX_DEPTH}, got {depth}")
