"""The depth at which a finite width breaks a normalised network: a random walk of the signal's second moment.

A layer of N units maps the second moment q to `f(q)` plus a fluctuation of variance `D(q)/N`, `D = E[y^4] - f^2`. Where
`f'(1) < 1` the fluctuations stay small; where `f'(1) > 1` they grow from the first layer on; where `f'(1) = 1` with
`f''(1) > 0`, as for every positively homogeneous activation without bias, 1 is a saddle-node: attracting from below,
repelling from above, and crossed by noise after some `(N/(D f''^2))^(1/3)` layers.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from propstats.errors import DomainError
from propstats.theory.design.unit import NormalisedUnit

Array = NDArray[np.float64]

#: A network has broken when its standard deviation has doubled or halved.
_FACTOR = 4.0
#: Cells of the grid: enough to see the noise of a layer, within bounds.
_CELLS = (400, 1600)
_NODES = 65
_WIDEST = 1_000_000
#: Layers after which a network that has not broken is said not to.
_FOREVER = 100_000
#: Shares of networks that have broken at the two depths that are told.
_FIRST, _HALF = 0.1, 0.5


@dataclass(frozen=True, slots=True)
class Breaking:
    """When networks of a width break, counted in layers; None where that takes more than a hundred thousand.

    Args:
        first: One in ten has broken: as deep as one may build.
        half: One in two has broken.
    """

    first: int | None
    half: int | None


def breaking_depth(unit: NormalisedUnit, width: int) -> Breaking:
    """Predict when the standard deviation of the signal leaves [1/2, 2], for random networks of a width.

    The second moment is a Markov chain, taken as log-normal in each step with the right mean and variance; its law is
    carried on a grid. That leaves out the skewness of a layer's mean square, which matters below some hundred units.

    Args:
        unit: The unit of all layers.
        width: Units in each layer, and inputs; inputs are Gaussian.

    Raises:
        DomainError: If the width is less than 2, or above a million.

    >>> from propstats.activations import activation
    >>> breaking_depth(NormalisedUnit.matched(activation("relu")), 512)
    Breaking(first=30, half=98)
    >>> breaking_depth(NormalisedUnit.matched(activation("tanh")), 512).first is None
    True
    """
    if not 2 <= width <= _WIDEST:
        raise DomainError(f"width must be at least 2 and at most {_WIDEST}, got {width}")
    end = math.log(_FACTOR)
    noise = float(_step(unit, width, np.linspace(-end, end, _NODES))[1].min())
    cells = int(np.clip(2 * end / max(noise, 1e-300), *_CELLS))
    edges = np.linspace(-end, end, cells + 1)
    centre, spread = _step(unit, width, (edges[1:] + edges[:-1]) / 2)
    # A law that is flat within cells has gained a twelfth of their square in variance, every time (Sheppard).
    spread = np.sqrt(np.maximum(spread**2 - (edges[1] - edges[0]) ** 2 / 12, 0.0))
    kernel = _probabilities(centre[:, None], spread[:, None], edges)
    start = math.log1p(2.0 / width)  # of the mean square of Gaussian inputs
    law = _probabilities(np.array([-start / 2]), np.array([math.sqrt(start)]), edges)
    first = _steps_until(law, kernel, 1.0 - _FIRST)
    return Breaking(first, None if first is None else _steps_until(law, kernel, 1.0 - _HALF))


def has_broken(second_moments: Array) -> NDArray[np.bool_]:
    """Return for networks, of shape (networks, layers), whether their standard deviation has left [1/2, 2] anywhere."""
    return np.asarray(((second_moments > _FACTOR) | (second_moments < 1 / _FACTOR)).any(axis=1))


def _step(unit: NormalisedUnit, width: int, log_q: Array) -> tuple[Array, Array]:
    """Return mean and standard deviation of the next log q; both are smooth, so that few nodes are enough."""
    from scipy.interpolate import CubicSpline

    nodes = np.linspace(log_q[0], log_q[-1], _NODES)
    f, fourth = unit.length_map(np.exp(nodes))
    spread = np.log1p(np.maximum(fourth / f**2 - 1.0, 0.0) / width)
    return CubicSpline(nodes, np.log(f) - spread / 2)(log_q), np.sqrt(CubicSpline(nodes, spread)(log_q))


def _probabilities(centre: Array, spread: Array, edges: Array) -> Array:
    """Return the probabilities of the cells; what is outside has left for good."""
    from scipy.special import ndtr

    return np.asarray(np.diff(ndtr((edges - centre) / np.maximum(spread, 1e-300)), axis=-1))


def _steps_until(law: Array, kernel: Array, survival: float) -> int | None:
    """Return after how many steps less than a share survives, by doubling and then halving the stride."""
    if law.sum() < survival:
        return 0
    powers = [kernel]
    while (law @ powers[-1]).sum() >= survival:
        if 2 ** len(powers) > _FOREVER:
            return None
        powers.append(powers[-1] @ powers[-1])
    steps = 0
    for exponent in reversed(range(len(powers) - 1)):
        after = law @ powers[exponent]
        if after.sum() >= survival:
            law, steps = after, steps + 2**exponent
    return steps + 1
