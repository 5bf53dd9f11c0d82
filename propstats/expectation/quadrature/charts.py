"""Where nodes lie that resolve a branch for many inputs: evenly or by Gauss's rule, in x or in another coordinate.

Around poles at a distance c, `x = p + c sinh(t)` needs far fewer nodes than x itself: in t the poles are pi/2 from the
real line wherever x is, and the nodes grow sparse where nothing happens but a tail.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from propstats.expectation.quadrature import trapezoid
from propstats.expectation.quadrature.branches import Branches
from propstats.expectation.quadrature.rule import Array, gauss_legendre
from propstats.expectation.quadrature.scales import Scale, value_of

#: So many nodes are too many.
_MOST = 1_500
#: Where evenly spaced nodes are, in spacings from the origin: no symmetry hides what they miss.
_OFF_CENTRE = 11 / 32
#: How wide a chart is, in distances of the poles: wider ones need fewer nodes until poles are closer than `_ANGLES`.
_WIDTH = 4 / 3
#: How far from the real t a Gaussian may be followed, and how many powers of e the rule may miss there. The comparison
#: with finer nodes has the last word.
_ANGLES, _POWERS = tuple(k / 20 for k in range(4, 16)), 42.0
#: The rule's nodes in a panel, and how many a Gaussian needs for each of its widths: in x, and in a chart.
_SIZES = (32, 48, 64)
_PER_WIDTH, _PER_WIDTH_IN_CHART = (14.0, 1.75), (0.0, 3.6)
#: A pole needs so many nodes for each of its distances from the panel's centre, in a panel in x.
_PER_STRIP = 12.0

#: Nodes and their weights, shapes (n,).
Nodes = tuple[Array, Array]


@dataclass(frozen=True, slots=True)
class Chart:
    """A coordinate t: `x = centre + width sinh(t)`, or x itself where the width is infinite."""

    centre: float
    width: float

    def t(self, x: float) -> float:
        """Return where x is."""
        return x if math.isinf(self.width) else math.asinh((x - self.centre) / self.width)

    def nodes(self, t: Array, weights: Array) -> Nodes:
        """Return nodes in x, and their weights."""
        if math.isinf(self.width):
            return t, weights
        return self.centre + self.width * np.sinh(t), self.width * np.cosh(t) * weights


def charts(branches: Branches, branch: int, low: float, high: float, origin: float) -> Iterator[Chart]:
    """Yield coordinates for a branch on an interval of x, which is counted from the origin.

    There is one besides x itself if all that has poles has them around one point, and that is near.
    """
    yield Chart(0.0, math.inf)
    places = {
        -float(value_of(feature.offset, branches.params)) / float(value_of(feature.rate, branches.params))
        for feature in branches.features[branch]
        if float(value_of(feature.rate, branches.params))
    }
    width = _WIDTH * float(branches.scales[branch].strip)
    if len(places) == 1 and low <= (centre := places.pop() - origin) <= high and width < high - low:
        yield Chart(centre, width)


@dataclass(frozen=True, slots=True)
class Inputs:
    """The inputs that nodes are for, all counted from one origin.

    Args:
        unit: The smallest standard deviation; the largest is at most twice that.
        low: The smallest mean.
        high: The largest mean.
    """

    unit: float
    low: float
    high: float

    def away(self, chart: Chart) -> float:
        """Return how far from the centre of a chart a mean may be."""
        return max(abs(self.low - chart.centre), abs(self.high - chart.centre))


def evenly(chart: Chart, scale: Scale, ends: tuple[float, float], inputs: Inputs, finer: float) -> Nodes | None:
    """Return the nodes of the trapezoidal rule between two ends; None if they are too many."""
    if math.isinf(chart.width):
        spacing = trapezoid.spacing(scale, inputs.unit, 1) / finer
    else:
        spacing = 2 * math.pi / (finer * _frequency(chart, inputs))
    low, high = (chart.t(end) for end in ends)
    if not (high - low) / _MOST < spacing < math.inf:
        return None
    index = np.arange(math.ceil(low / spacing), math.floor(high / spacing) + 1)
    t: Array = np.asarray((index + _OFF_CENTRE) * spacing, dtype=float)
    return chart.nodes(t, np.full(index.size, spacing))


def _frequency(chart: Chart, inputs: Inputs) -> float:
    """Return w = 2 pi/h at which the trapezoidal rule in t misses `exp(-_POWERS)`.

    At `t + i a` the density is larger by `exp(sin(a)^2 (c^2 + m^2/cos(2 a))/(2 s^2))` at most, for a mean m from the
    centre; the rule misses that times `exp(-a w)`.
    """
    square, away = chart.width**2, inputs.away(chart) ** 2
    growths = (math.sin(a) ** 2 * (square + away / math.cos(2 * a)) / (2 * inputs.unit**2) for a in _ANGLES)
    return min((_POWERS + growth) / a for a, growth in zip(_ANGLES, growths, strict=True))


def by_gauss(chart: Chart, scale: Scale, ends: tuple[float, float], inputs: Inputs, finer: float) -> Nodes | None:
    """Return the nodes of Gauss's rule between two ends; None if they are too many."""
    low, high = (chart.t(end) for end in ends)
    if math.isinf(chart.width):
        widths = (high - low) * math.sqrt(1 / inputs.unit**2 + 2 * scale.narrow)
        first, each = _PER_WIDTH
        count = max(first + each * widths, _PER_STRIP * (high - low) / scale.strip)
    else:
        first, each = _PER_WIDTH_IN_CHART
        count = first + each * (high - low) * math.hypot(chart.width, inputs.away(chart)) / inputs.unit
    count *= finer
    if not count < _MOST:
        return None
    size = next((size for size in _SIZES if count <= size), _SIZES[1])
    panels = max(math.ceil(count / size), 1)
    place, weights = gauss_legendre(size)
    step = (high - low) / panels
    starts = low + step * np.arange(panels)
    return chart.nodes((starts[:, None] + step * place).ravel(), np.tile(step * weights, panels))
