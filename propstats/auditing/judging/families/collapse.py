"""Inputs that become alike: their correlation tends to 1, or all that differs lies along one line."""

import math
from collections.abc import Iterator

from propstats.auditing.judging.closer import effective_rank, estimate
from propstats.auditing.judging.evidence import Evidence, channels
from propstats.auditing.judging.limits import FAIL_FACTOR, WARN_FACTOR
from propstats.auditing.judging.rule import SIGNAL, Family, FindingRule
from propstats.auditing.judging.simultaneous import Measured, above, interval
from propstats.auditing.judging.stream import stations
from propstats.auditing.records import Finding, Layer, Severity

#: Fewer than two directions are a line.
LINE = 2.0

ALIKE = FindingRule(
    "rank-collapse",
    "inputs become alike",
    "the correlation c of two inputs tends to 1 over depth: what a layer says of one input it says of all, and what "
    "comes after sees a constant",
    f"sqrt(1 - c) is what differs, as a part of the whole: an error below 1/{FAIL_FACTOR:.0f}, a warning below "
    f"1/{WARN_FACTOR:.0f}, the factors of vanishing signals",
    "Schoenholz et al. 2017, arXiv:1611.01232, section 3; Daneshmand et al. 2020, arXiv:2003.01652, section 3",
    "c counts positions and channels as units; its standard error comes from samples, the interval is simultaneous for "
    "all layers",
)
LINE_RULE = FindingRule(
    "low-rank",
    "all that differs between inputs lies along one line",
    "the covariance of the last hidden layer over the data has one direction that matters: the outputs move together "
    "whatever the input",
    "an effective rank (tr C)^2/tr C^2 below 2: with two directions of equal variance it is 2, on a line 1; only where "
    "the data have more than 2 themselves, and the network more than 2 outputs",
    "Roy & Vetterli 2007, The effective rank, for the notion; Saxe et al. 2014, arXiv:1312.6120, for its cause",
    "the standard error is a jackknife over ten groups of at most 512 samples",
)


def _alike(evidence: Evidence) -> Iterator[Finding]:
    at = stations(evidence.layers, evidence.calls, evidence.probe.result)
    last = max((place for place, layer in enumerate(evidence.layers) if layer.is_weights), default=0)
    before = {(layer.name, layer.call) for layer in evidence.layers[:last]}
    weighted = [at[layer.name, layer.call] for layer in evidence.layers[:last] if layer.is_weights]
    # Where something goes round all that is hidden, nothing is lost for good.
    hidden = [layer for layer in weighted if (layer.name, layer.call) in before]
    known = [layer for layer in hidden if math.isfinite(layer.forward.q.value) and layer.forward.q.value > 0]
    # What is left of the second moment once that which all inputs share is gone.
    alike = [Measured(layer.name, layer.forward.c, _error_of_c(layer)) for layer in known]
    found = above(alike, 1.0 - WARN_FACTOR**-2)
    if not found:
        return
    fails = above(alike, 1.0 - FAIL_FACTOR**-2)
    first = (fails or found)[0]
    left = math.sqrt(max(1.0 - first.value, 0.0))
    low, high = first.interval
    yield ALIKE.finding(
        Severity.ERROR if fails else Severity.WARNING,
        first.layer,
        first.value,
        f"at {first.layer} two inputs have a correlation of {first.value:.6g}: what differs between them is {left:.2g} "
        f"of the signal, in {len(found)} of {len(known)} layers below 1/{WARN_FACTOR:.0f}",
        "bring weights and biases to the edge of chaos (--method theory), where c tends to 1 by a power of the depth, "
        "or normalise over the batch",
        interval=(low, min(high, 1.0)),
        expected=None,
    )


def _error_of_c(layer: Layer) -> float:
    """Return the standard error of `1 - var/q`, from the relative ones of both."""
    q, var = layer.forward.q, layer.forward.var
    if var.value <= 0.0:
        return 0.0
    return var.value / q.value * math.hypot(var.error / var.value, q.error / q.value)


def _line(evidence: Evidence) -> Iterator[Finding]:
    path = evidence.forward_path.layers
    hidden = [layer for layer in path if layer.call == 0][:-1]
    if evidence.closer is None or not hidden or evidence.outputs <= LINE or channels(hidden[-1].shape) <= LINE:
        return
    values = evidence.closer.outputs(hidden[-1].name)
    data = evidence.closer.data
    if values is None or not data.is_floating_point() or not bool(values.isfinite().all()):
        return
    given = estimate(data.double().flatten(1)[:, None], effective_rank)
    rank = estimate(values, effective_rank)
    if rank.value == 0.0 or interval(given.value, given.error, 1)[0] <= LINE:
        return
    low, high = interval(rank.value, rank.error, 1)
    if high < LINE:
        yield LINE_RULE.finding(
            Severity.WARNING,
            hidden[-1].name,
            rank.value,
            f"at {hidden[-1].name} what differs between inputs has an effective rank of {rank.value:.3g}, the data "
            f"have {given.value:.3g}: for {evidence.outputs} outputs that is a line",
            "fewer layers, skip connections, or weights at the edge of chaos",
            interval=(low, high),
            expected=given.value,
        )


def _check(evidence: Evidence) -> Iterator[Finding]:
    inputs = evidence.probe.inputs
    if inputs.is_finite and inputs.var == 0.0:
        return
    yield from _alike(evidence)
    yield from _line(evidence)


FAMILY = Family((ALIKE, LINE_RULE), _check, SIGNAL)
