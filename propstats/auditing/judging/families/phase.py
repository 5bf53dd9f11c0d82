"""The phase of a chain of layers: ordered, critical or chaotic."""

import math
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from statistics import median

from propstats.auditing.judging.chain import joining
from propstats.auditing.judging.evidence import Evidence
from propstats.auditing.judging.limits import FAIL_FACTOR
from propstats.auditing.judging.rule import SIGNAL, Family, FindingRule
from propstats.auditing.records import Finding, Severity
from propstats.errors import PropstatsError
from propstats.rules.affine import Flatten, Unchanged
from propstats.rules.dense import Weights
from propstats.rules.elementwise import Elementwise
from propstats.theory.mean_field.field import mean_field

#: Networks train up to about six depth scales, Schoenholz et al. found.
TRAINABLE = 6.0
#: From so many on the gradient's norm differs by a factor of 100 between the ends: chi^(depth/2).
HOPELESS = 2.0 * math.log(FAIL_FACTOR)

_DERIVATION = (
    "chi is what a layer multiplies the gradient's mean square by, and 1/|log chi| the depth scale; the network is "
    f"deeper than six of them, an error from {HOPELESS:.2g}, where gradients differ by a factor of {FAIL_FACTOR:.0f}"
)
_SOURCE = "Schoenholz et al. 2017, arXiv:1611.01232, Eqs. 5 and 9, Figure 5; Poole et al. 2016, arXiv:1606.05340"
_UNCERTAINTY = "the interval of chi is that of the backward rate, squared; six depth scales is what experiments found"
ORDERED = FindingRule(
    "ordered-phase",
    "the network is in the ordered phase",
    "inputs become alike and gradients vanish: chi < 1, at a depth scale that the network exceeds",
    _DERIVATION, _SOURCE, _UNCERTAINTY,
)  # fmt: skip
CHAOTIC = FindingRule(
    "chaotic-phase",
    "the network is in the chaotic phase",
    "inputs that are almost equal part and gradients explode: chi > 1, at a depth scale that the network exceeds",
    _DERIVATION, _SOURCE, _UNCERTAINTY,
)  # fmt: skip


def _check(evidence: Evidence) -> Iterator[Finding]:
    rate = evidence.trend.backward_rate
    layers = [layer for layer in evidence.layers if layer.is_weights]
    if rate is None or rate.value <= 0.0 or len(layers) < 3 or not _is_chain(evidence):
        return
    low, high = (end**2 for end in rate.interval)
    chi = rate.value**2
    # By the end of the interval that is nearer to 1, which gives the longest scale.
    nearest = high if chi < 1.0 else low
    if (chi < 1.0) != (nearest < 1.0) or nearest <= 0.0:
        return
    typical = _typical(evidence)
    steepness = min(abs(math.log(nearest)), abs(math.log(typical))) if typical > 0.0 else 0.0
    scales = (len(layers) - 1) * steepness
    if scales <= TRAINABLE or (typical < 1.0) != (chi < 1.0):
        return
    rule, name = (ORDERED, "ordered") if chi < 1.0 else (CHAOTIC, "chaotic")
    c = layers[-2].forward.c
    remedy = evidence.rescaling.backward
    yield rule.finding(
        Severity.ERROR if scales >= HOPELESS else Severity.WARNING,
        None,
        chi,
        f"{name} phase: chi = {chi:.3g} a layer [{low:.3g}, {high:.3g}], so that a depth of {len(layers)} is "
        f"{(len(layers) - 1) * abs(math.log(chi)):.2g} depth scales; the correlation of two inputs goes to "
        f"{c:.4g}{_theory(evidence)}",
        remedy.text,
        interval=(low, high),
        expected=1.0,
        predicted=remedy.predicted.value**2 if remedy.predicted is not None else None,
    )


def _is_chain(evidence: Evidence) -> bool:
    """Whether chi tells the phase: weights and activations one after the other, and nothing that sets a scale."""
    calls = evidence.calls
    return joining(calls) is None and all(
        isinstance(call.rule, Weights | Elementwise | Unchanged | Flatten) for call in calls
    )


def _typical(evidence: Evidence) -> float:
    """Return the median chi of a layer: a phase is what all layers have in common, and not the fault of one."""
    squares = evidence.backward_path.squares
    return median(after / before if before > 0.0 else 0.0 for before, after in pairwise(squares))


def _theory(evidence: Evidence) -> str:
    """Say what mean field theory makes of the measured weights, where it has an answer."""
    rules = [call.rule for call in evidence.calls]
    used = [rule.activation for rule in rules if isinstance(rule, Elementwise)]
    weights = [rule for rule in rules if isinstance(rule, Weights)][1:]
    if not used or not weights:
        return ""
    most = Counter(map(str, used)).most_common(1)[0][0]
    act = next(one for one in used if str(one) == most)
    sigma_w = math.sqrt(sum(rule.sigma_w**2 for rule in weights) / len(weights))
    sigma_b = math.sqrt(sum(rule.bias_second_moment for rule in weights) / len(weights))
    try:
        field = mean_field(act, sigma_w=sigma_w, sigma_b=sigma_b, digits=None)
    except PropstatsError:
        return ""
    if field.chi_1 is None or field.phase is None:
        return ""
    return (
        f"; theory for {act} with sigma_w = {sigma_w:.3g}, sigma_b = {sigma_b:.3g}: {field.phase.value}, "
        f"chi = {field.chi_1.value:.3g}"
    )


FAMILY = Family((ORDERED, CHAOTIC), _check, SIGNAL)
