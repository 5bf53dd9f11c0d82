"""Which weight scale fits an activation: one of the known schemes, another standard deviation, or none."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from propstats.activations import Activation
from propstats.estimate import Estimate, Route
from propstats.theory.weights.differences import difference_remaining
from propstats.theory.weights.fans import Connections
from propstats.theory.weights.propagation import Layers, Remaining, largest_change, remaining

#: Signal and gradient are kept if neither changes its size, the root of its second moment, by more than this.
KEPT = 10.0
_LOG_KEPT = 2 * math.log(KEPT)

_NOTICED = math.log(1.1)
_POINTS, _ROUNDS = 33, 4


@dataclass(frozen=True, slots=True)
class Advice:
    """What to draw the weights with, for the layers and the depth at hand.

    Args:
        fits: Schemes with which neither signal nor gradient changes its size by more than `KEPT` over all layers, the
            best first.
        std: The one standard deviation that keeps both best, with biases 0.
        forward_remaining: What it leaves of the signal's second moment after all layers.
        backward_remaining: What it leaves of the gradient's.
        difference_remaining: What it leaves of the mean squared difference of two inputs that start independent.
        std_fits: Whether that is within `KEPT`.
        forward_std: The standard deviation that keeps the signal's second moment in one layer.
        backward_std: The same for the gradient.
        why: All this in words.
    """

    fits: tuple[str, ...]
    std: float
    forward_remaining: Estimate
    backward_remaining: Estimate
    difference_remaining: Estimate
    std_fits: bool
    forward_std: Estimate
    backward_std: Estimate
    why: str


def exponential(log: float, error: float) -> Estimate:
    """Return the number whose logarithm is known within an error; infinite where no float is large enough."""
    if log > 700.0:
        return Estimate(math.inf, math.inf, Route.QUADRATURE)
    value = math.exp(log)
    return Estimate(value, value * math.expm1(min(error, 700.0)) if value else 0.0, Route.QUADRATURE)


def advise(
    act: Activation,
    layer: Connections,
    *,
    std: float,
    depth: int,
    worst: Sequence[tuple[str, float]],
    needed: tuple[Estimate, Estimate],
) -> Advice:
    """Say which scheme fits, and which standard deviation would.

    Args:
        act: The activation.
        layer: The connections of each layer.
        std: Standard deviation of the first pre-activations.
        depth: Number of layers.
        worst: For each scheme its name and the larger of the two changes over all layers, as a logarithm.
        needed: The standard deviations that keep signal and gradient in one layer.
    """
    fits = tuple(name for name, change in sorted(worst, key=lambda entry: round(entry[1], 9)) if change <= _LOG_KEPT)
    best, left = _search(act, layer, std, depth, needed)
    std_fits = bool(left.worst()[0] <= _LOG_KEPT)
    forward, backward = (
        exponential(float(left.forward[0]), float(left.forward_error[0])),
        exponential(float(left.backward[0]), float(left.backward_error[0])),
    )
    sizes = {name: math.sqrt(square.value) for name, square in (("signal", forward), ("gradient", backward))}
    ways = " and ".join(f"x{size:.3g} of the {name}" for name, size in sizes.items())
    gained = min(change for _, change in worst) > left.worst()[0] + _NOTICED
    why = _why(act, fits, best, std_fits, gained, depth, needed, ways)
    apart = difference_remaining(act, layer.terms_in * best**2, std=std, depth=depth)
    return Advice(fits, best, forward, backward, apart, std_fits, *needed, why)


def _search(
    act: Activation, layer: Connections, std: float, depth: int, needed: tuple[Estimate, Estimate]
) -> tuple[float, Remaining]:
    """Find the standard deviation with the smallest change, by looking ever closer around the best."""
    known = [estimate.value for estimate in needed if 0.0 < estimate.value < math.inf]
    low, high = (math.log(bound) for bound in (min(known, default=1.0) / 2, max(known, default=1.0) * 2))
    best = math.nan
    for _ in range(_ROUNDS):
        # What keeps one layer is a candidate itself: for rectifiers it is the answer, exactly.
        grid = np.array([*known, *np.exp(np.linspace(low, high, _POINTS)), *([best] if best > 0 else [])])
        change = largest_change(act, _plain(layer, grid), std=std, depth=depth, within=2 * _LOG_KEPT)
        if math.isinf(change.min()):  # nothing is near: say how far the most sensible ones are off, and be done
            grid = np.array([*known, math.sqrt(math.prod(known))] if len(known) == 2 else [*known, 1.0])
            change = remaining(act, _plain(layer, grid), std=std, depth=depth).worst()
            best = float(grid[np.argmin(change)])
            break
        best = float(grid[np.argmin(change)])
        around = (high - low) / (_POINTS - 1)
        low, high = math.log(best) - around, math.log(best) + around
    return best, remaining(act, _plain(layer, np.array([best])), std=std, depth=depth)


def _plain(layer: Connections, stds: np.ndarray[tuple[int], np.dtype[np.float64]]) -> Layers:
    return Layers.plain(layer.terms_in * stds**2, layer.terms_out * stds**2)


def _why(
    act: Activation,
    fits: tuple[str, ...],
    best: float,
    std_fits: bool,
    gained: bool,
    depth: int,
    needed: tuple[Estimate, Estimate],
    ways: str,
) -> str:
    forward, backward = (estimate.value for estimate in needed)
    span = f"over {depth} layer" + "s" * (depth > 1)
    if not 0.0 < backward < math.inf:
        return f"no weights carry a gradient through {act}: its slope vanishes"
    if fits:
        first, *others = fits
        others = others if len(others) < 4 else [f"{len(others)} others"]
        kept = f" (so do {', '.join(others)})" if others else ""
        better = f"; std {best:.4g} leaves {ways}" if gained else ""
        return f"{first} keeps signal and gradient within x{KEPT:g} {span}{kept}{better}"
    apart = (
        f"one layer's signal asks for std {forward:.4g}, its gradient for {backward:.4g}"
        if abs(backward / forward - 1.0) > 1e-6
        else f"signal and gradient both ask for std {forward:.4g}"
    )
    kept = f"std {best:.4g} keeps both and leaves {ways}" if std_fits else f"no std does, {best:.4g} leaves {ways}"
    return f"no scheme keeps signal and gradient within x{KEPT:g} {span}: {apart}; {kept}"
