"""What the local maps of correlations make of a whole network: slopes multiply, curvatures add.

A network of activations whose correlation map is C composes C with itself along every path, and takes weighted means
where paths meet. If C(1) = 1 and C'(1) = s, the same composition with products of s is the slope of the whole at 1; if
C'(1) = 1 and C''(1) = k, the same with sums of k is its curvature there.
"""

from collections.abc import Callable, Sequence

from propstats.activations import activation
from propstats.errors import DomainError
from propstats.expectation.dual import dual

Map = Callable[[float], float]
#: The most extreme value, over all parts of a network, of the composed map: a function of a start and of a local map.
Network = Callable[[float, Map], float]

_LARGEST = 1e6


def chain(depth: int) -> Network:
    """Return a network of so many layers, one after the other.

    Raises:
        DomainError: If there is none.

    >>> chain(3)(1.0, lambda x: 2 * x)
    8.0
    """
    _check_depth(depth)

    def composed(x: float, local: Map) -> float:
        for _ in range(depth):
            x = local(x)
        return x

    return composed


def residual(blocks: Sequence[int], *, shortcut: float, layers: int = 3) -> Network:
    """Return a residual network with normalised sums `shortcut x + sqrt(1 - shortcut^2) f(x)`.

    Args:
        blocks: How many blocks each group has; the first block of a group has an activation on its shortcut.
        shortcut: The weight of the shortcut, in [0, 1].
        layers: How many activations each residual branch has.

    Raises:
        DomainError: If a number is out of range.

    References:
        Martens et al. 2021, arXiv:2110.01765, section 22 (modified residual networks).

    >>> residual([1], shortcut=0.0, layers=2)(1.0, lambda x: 2 * x)  # two in the branch, one at the end
    8.0
    """
    for count in (*blocks, layers):
        _check_depth(count)
    if not 0.0 <= shortcut <= 1.0:
        raise DomainError(f"shortcut must lie in [0, 1], got {shortcut:g}", "it is the weight of the shortcut")
    branch = chain(layers)
    share = shortcut**2

    def composed(x: float, local: Map) -> float:
        alone = branch(x, local)  # a branch by itself may be the worst part
        for count in blocks:
            for block in range(count):
                direct = local(x) if block == 0 else x
                x = share * direct + (1.0 - share) * branch(x, local)
        return max(local(x), alone)

    return composed


def local_slope(network: Network, zeta: float) -> float:
    """Return the slope s of every local map at 1 with which the slope of the network there is zeta.

    Args:
        network: The network.
        zeta: The slope of the whole, at least 1.

    Raises:
        DomainError: If there is none.

    >>> round(local_slope(chain(50), 1.5), 9)  # 1.5^(1/50)
    1.008142272
    """
    if not 1.0 <= zeta <= _LARGEST:
        raise DomainError(f"zeta must lie in [1, {_LARGEST:g}], got {zeta:g}", "it is the slope of the network's map")
    return _solve(lambda s: network(1.0, lambda x: s * x) - zeta, 1.0, zeta, "slope")


def local_curvature(network: Network, tau: float) -> float:
    """Return the curvature of every local map at 1, of slope 1 there, with which that of the network is tau.

    Args:
        network: The network.
        tau: The curvature of the whole, not negative.

    Raises:
        DomainError: If there is none.

    >>> round(local_curvature(chain(50), 0.3), 9)
    0.006
    """
    if not 0.0 <= tau <= _LARGEST:
        raise DomainError(f"tau must lie in [0, {_LARGEST:g}], got {tau:g}", "it is the curvature of the network's map")
    return _solve(lambda k: network(0.0, lambda x: k + x) - tau, 0.0, tau, "curvature")


def negative_slope(network: Network, eta: float) -> float:
    """Return the negative slope of a leaky ReLU with which the network maps correlation 0 to eta.

    Args:
        network: The network.
        eta: Correlation that independent inputs end with, in [0, 1].

    Raises:
        DomainError: If there is none: even ReLUs stay below eta.

    References:
        Zhang et al. 2022, "Deep learning without shortcuts", arXiv:2203.08120, section 4.1.

    >>> round(negative_slope(chain(50), 0.9), 6)  # between a ReLU and a linear network
    0.430523
    """
    if not 0.0 <= eta < 1.0:
        raise DomainError(f"eta must lie in [0, 1), got {eta:g}", "it is the correlation that inputs end with")

    def excess(a: float) -> float:
        unit = activation("leaky_relu", negative_slope=a)
        second = (1.0 + a * a) / 2.0
        return network(0.0, lambda c: dual(unit, correlation=min(c, 1.0)) / second) - eta

    return _solve(excess, 0.0, 1.0, "negative slope")


def _solve(excess: Map, low: float, high: float, what: str) -> float:
    """Return the root of a monotone function between two numbers."""
    from scipy.optimize import brentq

    ends = excess(low), excess(high)
    for end, value in zip((low, high), ends, strict=True):
        if value == 0.0:
            return end
    if ends[0] * ends[1] > 0.0:
        raise DomainError(f"no local {what} from {low:g} to {high:g} does that in this network")
    return float(brentq(excess, low, high, xtol=1e-16, rtol=1e-15))


def _check_depth(depth: int) -> None:
    if not 1 <= depth <= 100_000:
        raise DomainError(f"the number of layers or blocks must be between 1 and 100000, got {depth}")
