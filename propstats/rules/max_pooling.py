"""Max pooling."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from propstats.activations import Activation, activation
from propstats.rules.affine import Chain, Unchanged
from propstats.rules.elementwise import Elementwise
from propstats.rules.fluctuation import average, possible
from propstats.rules.node import Node
from propstats.rules.pooling import laid
from propstats.rules.rule import Join, Rule
from propstats.signals import Gradient, Positions, Signal
from propstats.theory.pooling.layer import PoolLayer
from propstats.theory.pooling.layout import Layout
from propstats.theory.pooling.pair import Correlations, Largest, largest

#: The deepest dip of a function that counts as rising.
_DEEPEST = 0.35


@dataclass(frozen=True, slots=True)
class MaxPool:
    """The largest of a window of positions, all pairs of which count as equally correlated Gaussians.

    Mean and second moment are exact for such Gaussians; what two inputs have in common is interpolated
    (`propstats.theory.pooling.pair`). What windows share where they overlap counts in proportion. A layer behind takes
    the result for a Gaussian of the same moments: of four independent positions a ReLU then gives 0.3 % less than it
    should. Behind an activation that does not fall, as a ReLU, the window is that of the Gaussians before it; see
    `find_pooled`. Backwards each window sends its gradient to one position.

    Finite width: what the input has.

    Args:
        layer: The layer, with the sizes of its input.

    References:
        David & Nagaraja 2003, Order Statistics, section 5.3; torch's arithmetic of windows.

    >>> from propstats.theory.pooling.layer import pool_layer
    >>> rule = MaxPool(pool_layer("max", 2, size=4, dims=2))
    >>> independent = Signal(0.0, 1.0, 1.0, positions=Positions(0.0, 0.0))
    >>> round(rule.forward(independent).mean, 9), rule.backward(Gradient(1.0), independent).q
    (1.029375373, 0.25)
    """

    layer: PoolLayer

    def forward(self, signal: Signal) -> Signal:
        """Return the signal after the layer, of Gaussians."""
        return self.behind(activation("identity"), signal)

    def behind(self, act: Activation, signal: Signal) -> Signal:
        """Return the signal after the layer, of a function of Gaussians that does not fall.

        Args:
            act: The function.
            signal: The Gaussians.
        """
        layout = laid(self.layer)
        passed = Elementwise(act).forward(signal)
        after = average([(self._at(act, one, layout), probability) for one, probability in possible(signal)])
        return replace(after, error=passed.error, units=passed.units, fresh=passed.fresh)

    def backward(self, gradient: Gradient, signal: Signal) -> Gradient:
        """Return the gradient at the input."""
        layout = laid(self.layer)
        inputs, outputs = layout.size, layout.outputs
        # Two windows send to the same position where they overlap, and it wins both: one of about 2 n positions does.
        both = _overlap(layout) / 2.0 * gradient.positions * (outputs - 1)
        q = (gradient.q + both) * outputs / inputs
        everywhere = gradient.positions * outputs * (outputs - 1) - both * outputs
        return replace(gradient, q=q, positions=everywhere / (inputs * (inputs - 1)) if inputs > 1 else 0.0)

    def slope(self, act: Activation, signal: Signal) -> float:
        """Return the mean squared slope of a function where a window has its largest input.

        Args:
            act: The function.
            signal: The Gaussians before it.
        """
        layout = laid(self.layer)
        return sum(
            probability * sum(share * found.slope for share, found in _kinds(act, one, layout))
            for one, probability in possible(signal)
        )

    def _at(self, act: Activation, signal: Signal, layout: Layout) -> Signal:
        kinds = _kinds(act, signal, layout)

        def over(name: str) -> float:
            return float(sum(share * getattr(found, name) for share, found in kinds))

        q, var, positions = over("q"), over("var"), None
        if layout.outputs > 1:
            h = _overlap(layout)
            same, other = over("same"), over("other")
            positions = Positions(same + h * (q - same), other + h * max(q - var - other, 0.0))
        return Signal(over("mean"), q, var, positions=positions)


def _kinds(act: Activation, signal: Signal, layout: Layout) -> list[tuple[float, Largest]]:
    """Return each kind of window: its share, and what it does."""
    spread, square = signal.spread, signal.mean**2
    pairs = signal.positions or Positions(signal.q, signal.overlap)

    def rho(product: float) -> float:
        return (product - square) / spread if spread > 0.0 else 1.0

    given = Correlations(rho(pairs.same), rho(signal.overlap), rho(pairs.other))
    return [
        (float(share), largest(act, window.inputs, signal.mean, math.sqrt(spread), given))
        for share, window in zip(layout.shares, layout.windows, strict=True)
    ]


def _overlap(layout: Layout) -> float:
    """Return which share of its positions a window has in common with another, in the mean over pairs."""
    outputs = layout.outputs
    if outputs == 1:
        return 0.0
    held = sum(count * window.inputs for count, window in zip(layout.counts, layout.windows, strict=True))
    shared = int((layout.positions * np.square(layout.cover.sum(axis=0))).sum()) - held
    return shared / held / (outputs - 1)


@dataclass(frozen=True, slots=True)
class Pooled:
    """A max pool behind an activation that does not fall: the largest Gaussian decides.

    A gradient that comes back through the pool arrives where the activation is largest, not where its slope is as
    usual: behind a ReLU, mostly where that lets it through.

    Args:
        source: The layer before the activation's.
        at: The activation's layer.
        before: What stands between that and the Gaussians.
        act: The activation.
        pool: The pool.
    """

    source: str
    at: str
    before: Rule
    act: Elementwise
    pool: MaxPool

    def forward(self, signal: Signal) -> Signal:
        """Return the signal after the pool, from that of the source."""
        return self.pool.behind(self.act.activation, self.before.forward(signal))

    def correction(self, gradient: Gradient, signal: Signal) -> Gradient:
        """Return what the gradient at the source lacks when slopes count as independent of it."""
        inner = self.before.forward(signal)
        arriving = self.pool.backward(gradient, inner)
        slope = self.pool.slope(self.act.activation, inner)
        q = slope * arriving.q - self.act.backward(arriving, inner).q
        return self.before.backward(Gradient(q), signal)


def find_pooled(order: Sequence[Node]) -> Mapping[str, Pooled]:
    """Return the max pools behind activations that do not fall, by their names.

    Args:
        order: The layers of a network.
    """
    by_name = {node.name: node for node in order}
    found: dict[str, Pooled] = {}
    for node in order:
        if not isinstance(node.rule, MaxPool):
            continue
        heard = by_name.get(node.inputs[0])
        while heard is not None and isinstance(heard.rule, Unchanged):
            heard = by_name.get(heard.inputs[0])
        if heard is None:
            continue
        rules = heard.rule.rules if isinstance(heard.rule, Chain) else [heard.rule]
        before = [rule for rule in rules[:-1] if not isinstance(rule, Join)]
        act = rules[-1]
        if isinstance(act, Elementwise) and rises(act.activation):
            found[node.name] = Pooled(heard.inputs[0], heard.name, Chain(before), act, node.rule)
    return found


def rises(act: Activation) -> bool:
    """Whether an activation nowhere falls, but for dips as those of GELU (0.17), SiLU (0.28) and Mish (0.31).

    There the largest input need not have the largest output, but one that is closer to it than the dip.

    >>> rises(activation("relu")), rises(activation("gelu")), rises(activation("abs"))
    (True, True, False)
    """
    values = act(np.linspace(-12.0, 12.0, 2401))
    return bool(np.max(np.maximum.accumulate(values) - values) <= _DEEPEST)
