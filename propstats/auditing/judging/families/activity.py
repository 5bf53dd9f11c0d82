"""Units that do nothing: dead ones, and saturated pre-activations."""

import math
from collections.abc import Iterator

from propstats.auditing.judging.evidence import Evidence, channels
from propstats.auditing.judging.rule import SIGNAL, Family, FindingRule
from propstats.auditing.judging.shares import Share, clustered_error, interval, more_than
from propstats.auditing.judging.simultaneous import Measured, above
from propstats.auditing.records import Finding, Severity

#: Random rows of weights put a unit on either side of zero with the same chance: however much alike the inputs, no more
#: than half of the units of a sound rectifier are off for all of them, but for the chance of the draw.
BY_CHANCE = 0.5
#: Flat inputs pass no gradient: its norm falls by sqrt(1 - share) in this one layer, to a half and to a tenth here.
HALF_LOST = 3 / 4
NINE_TENTHS_LOST = 99 / 100

DEAD = FindingRule(
    "dead-units",
    "units without a slope for any of the data",
    "a unit whose slope is zero for every input passes no gradient: nothing can teach it or what lies before it",
    "random weights leave at most half of the units off for all data, beyond which the exact binomial test looks; "
    "an error where fewer units are left than the network has outputs",
    "Lu et al. 2019, arXiv:1903.06733, section 3; Clopper & Pearson 1934 for the interval",
    "exact for weights that are symmetric about zero; the interval is simultaneous for all layers and counts channels "
    "as independent",
)
SATURATED = FindingRule(
    "saturated",
    "bounded activations that work where they are flat",
    "where the slope is below 1 % of its steepest, almost no gradient passes",
    "sqrt(1 - share) of the gradient's norm passes: 3/4 halves it in one layer, 99/100 leaves a tenth",
    "Glorot & Bengio 2010, section 3; LeCun et al. 1998, Efficient BackProp, section 4.4",
    "the standard error comes from samples, whose positions may depend on each other in any way: sqrt(s(1-s)/samples) "
    "is its upper bound",
)


def _dead(evidence: Evidence) -> Iterator[Finding]:
    shares = []
    for layer in evidence.layers:
        if layer.forward.dead is not None:
            units = channels(layer.shape)
            shares.append(Share(layer.name, math.floor(layer.forward.dead * units + 1e-9), units))
    found = more_than(shares, BY_CHANCE)
    found += [share for share in shares if share.count == share.units and share not in found]
    if not found:
        return
    worst = max(found, key=lambda share: (share.value, -share.units))
    left = worst.units - worst.count
    few = left == 0 or left < min(evidence.outputs, worst.units)
    message = (
        f"{worst.value:.0%} of the units of {worst.layer} have no slope for any of the data"
        f"{_others(len(found))}; chance explains at most half"
        + (f", and {left} are left for {evidence.outputs} outputs" if few else "")
    )
    yield DEAD.finding(
        Severity.ERROR if few else Severity.WARNING,
        worst.layer,
        worst.value,
        message,
        "lower the learning rate or the biases that push them off, or use a leaky activation: at biases of 0 theory "
        "expects at most half",
        interval=interval(worst, len(shares)),
        expected=0.0,
        predicted=BY_CHANCE,
    )


def _saturated(evidence: Evidence) -> Iterator[Finding]:
    samples = evidence.probe.inputs.count
    shares = [(layer.name, layer.forward.saturated) for layer in evidence.layers]
    measured = [Measured(name, s, clustered_error(s, samples)) for name, s in shares if s is not None]
    found = above(measured, HALF_LOST)
    if not found:
        return
    worst = max(found, key=lambda beyond: beyond.value)
    fails = any(beyond.layer == worst.layer for beyond in above(measured, NINE_TENTHS_LOST))
    message = (
        f"{worst.value:.0%} of the inputs of {worst.layer} lie where its slope is below 1 % of its steepest"
        f"{_others(len(found))}: at most {math.sqrt(1 - worst.value):.2g} of the gradient's norm passes"
    )
    low, high = worst.interval
    yield SATURATED.finding(
        Severity.ERROR if fails else Severity.WARNING,
        worst.layer,
        worst.value,
        message,
        "bring its input down to the order of 1: smaller weights before it, or a normaliser",
        interval=(max(low, 0.0), min(high, 1.0)),
        expected=0.0,
    )


def _others(layers: int) -> str:
    return f" (the worst of {layers} such layers)" if layers > 1 else ""


def _check(evidence: Evidence) -> Iterator[Finding]:
    yield from _dead(evidence)
    yield from _saturated(evidence)


FAMILY = Family((DEAD, SATURATED), _check, SIGNAL)
