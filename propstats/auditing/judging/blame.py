"""Where one step of a signal is out of line: is that a layer's fault, or of all that lies between?"""

import math
from collections.abc import Sequence
from statistics import median

from propstats.auditing.judging.chain import activation_before
from propstats.auditing.judging.evidence import Evidence
from propstats.auditing.judging.limits import DEPARTURE
from propstats.auditing.judging.stream import stations
from propstats.auditing.measuring.call import Call
from propstats.auditing.records import Layer
from propstats.errors import DomainError


def together(evidence: Evidence, layers: Sequence[Layer], culprit: Layer) -> list[str]:
    """Return the names of the layers whose signal is together again only where that of one of them is.

    What changes between such places is the doing of all of them.

    Args:
        evidence: What was measured.
        layers: The layers of weights, in any order.
        culprit: One of them.
    """
    at = stations(evidence.layers, evidence.calls, evidence.probe.result)
    own = {(layer.name, layer.call) for layer in layers if at[layer.name, layer.call] is at[culprit.name, culprit.call]}
    return [layer.name for layer in evidence.layers if (layer.name, layer.call) in own]


def is_levelled(calls: Sequence[Call], layers: Sequence[Layer], culprit: Layer) -> bool:
    """Whether a layer does what the others do, and its input is as strong as theirs: then it weakens nothing.

    A bounded activation makes the same of strong and of stronger pre-activations: where the layer before it gives more
    than the others do, as the first one of a network of sines does, it is only that which is lost.

    Args:
        calls: All calls.
        layers: The layers of weights.
        culprit: The layer behind which there is less than before it.
    """
    named = {(call.name, call.index): call for call in calls}
    seen = [named[layer.name, layer.call] for layer in layers if layer is not culprit][1:]
    own = named[culprit.name, culprit.call]
    try:
        act = activation_before(calls, own)
    except DomainError:
        return False
    known = all(call.input.is_finite and call.output.is_finite for call in (own, *seen))
    if act is None or act.is_homogeneous or not seen or not known:
        return False
    gain, level = (median(values) for values in zip(*map(_gain_and_level, seen), strict=True))
    own_gain, own_level = _gain_and_level(own)
    return own_gain * DEPARTURE > gain and own_level * DEPARTURE > level and math.isfinite(gain)


def _gain_and_level(call: Call) -> tuple[float, float]:
    """Return the factor by which a call changes the variance over the data, and what it starts from."""
    level = call.input.var
    return call.output.var / level if level > 0.0 else math.inf, level
