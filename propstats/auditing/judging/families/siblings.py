"""A layer, or a branch, that scales the signal unlike its siblings."""

import math
from collections.abc import Iterator, Sequence
from statistics import fmean, median
from typing import Final

from propstats.auditing.judging.branches import Branch, branches
from propstats.auditing.judging.chain import normalised
from propstats.auditing.judging.evidence import Evidence
from propstats.auditing.judging.limits import WARN_FACTOR
from propstats.auditing.judging.rule import SIGNAL, Family, FindingRule
from propstats.auditing.judging.siblings import Member, odd_ones, role
from propstats.auditing.measuring.call import INPUT, Call
from propstats.auditing.records import Finding, Severity
from propstats.rules.dense import Weights

#: Of second moments: two such layers change the scale by the factor that warns over a whole network.
UNLIKE: Final = WARN_FACTOR
#: Of second moments: what a branch adds is lost where the next sum or weights are rounded to a thousandth.
NOTHING: Final = 1e-6

_INTERVAL: Final = "the interval is simultaneous for all of them, and takes logarithms of gains for Gaussian"
_BRANCHES: Final = (
    f"siblings are branches that end in the same place of repeated parts, all where these are few; {_INTERVAL}"
)
_SOURCE: Final = "Cook & Weisberg 1982, Residuals and Influence in Regression, section 2.2.2; He et al. 2015, Eq. 7"
LAYER = FindingRule(
    "odd-gain",
    "one layer scales the signal unlike its siblings",
    "layers of one kind, shape and place are drawn alike, and training changes them alike: one whose weights are many "
    "times as large (or as small) was drawn, loaded or trained otherwise, and what comes after gets a signal of a "
    "scale that it was not made for",
    f"fan_in E[w^2] and the measured gain of the variance are both more than a factor of {UNLIKE:g} off the siblings', "
    "of which two would warn over depth; and outside the prediction interval that the siblings' own scatter gives",
    _SOURCE,
    "siblings are layers of the same type, shape and place in repeated parts, by their names without numbers; "
    f"{_INTERVAL}; the first and the last layer of weights, and those before a normaliser, are not compared",
)
BRANCH = FindingRule(
    "drowning-branch",
    "one branch drowns what it is added to",
    "a residual branch that is many times as large as the stream around it undoes the connection: what the layers "
    "before it said is lost in the sum",
    f"its mean square is more than {UNLIKE:g} times that of the stream, and its gain more than {UNLIKE:g} times that "
    "of the other branches, two of which would warn over depth; and outside the prediction interval of their scatter",
    f"{_SOURCE}; Zhang, Dauphin & Ma 2019, arXiv:1901.09321, section 2, for branches that add up",
    _BRANCHES,
)
SILENT = FindingRule(
    "silent-branch",
    "one branch adds nothing",
    "a residual branch far below the stream could be left out: its layers do not matter to the output, and their "
    "gradients are as small; no fault where all branches start so, as in Fixup, ReZero or SkipInit, which is not found",
    f"its mean square is below {NOTHING:g} of the stream's, a thousandth of its scale; and its gain is more than "
    f"{UNLIKE:g} times smaller than that of other branches, outside the prediction interval of their scatter",
    f"{_SOURCE}; Zhang, Dauphin & Ma 2019, arXiv:1901.09321, section 3, for branches that start at zero",
    _BRANCHES,
)


def _layers(evidence: Evidence) -> Iterator[Finding]:
    calls = _comparable(evidence)
    members = [Member(call.name, _kinds(call, rule), 2.0 * math.log(rule.sigma_w)) for call, rule in calls]
    gains = [math.log(call.output.var / call.input.var) for call, _ in calls]
    for odd in odd_ones(members):
        usual = median(gains[i] for i in odd.siblings)
        seen = gains[odd.at] - usual
        if min(abs(odd.log), abs(seen)) < math.log(UNLIKE) or (seen > 0.0) != (odd.log > 0.0):
            continue
        name, factor = calls[odd.at][0].name, math.exp(odd.log / 2.0)
        low, high = (math.exp(end / 2.0) for end in odd.interval)
        scale = math.exp(fmean(members[i].log for i in odd.siblings) / 2.0)
        yield LAYER.finding(
            Severity.WARNING,
            name,
            factor,
            f"the weights of {name} are x{factor:.3g} those of its {len(odd.siblings)} siblings: "
            f"sigma_w = {calls[odd.at][1].sigma_w:.3g}, theirs {scale:.3g}; there the signal changes by "
            f"x{math.exp(gains[odd.at] / 2.0):.3g}, in theirs by x{math.exp(usual / 2.0):.3g}",
            f"multiply the weights of {name} by {1.0 / factor:.3g}: then theory expects sigma_w = {scale:.3g}, as of "
            "its siblings",
            interval=(low, high),
            expected=1.0,
            predicted=1.0,
        )


def _comparable(evidence: Evidence) -> list[tuple[Call, Weights]]:
    """Return the layers of weights whose scale matters, between the first and the last ones."""
    calls, left_out = evidence.calls, normalised(evidence.calls)
    learned = {(layer.name, layer.call) for layer in evidence.layers if layer.is_weights}
    own = [isinstance(call.rule, Weights) and (call.name, call.index) in learned for call in calls]
    behind, before = _behind(calls, own), _before(calls, own)
    found = []
    for position, call in enumerate(calls):
        rule = call.rule
        if not (isinstance(rule, Weights) and own[position] and behind[position] and before[position]):
            continue
        if position in left_out or call.index or not (call.input.is_finite and call.output.is_finite):
            continue
        if rule.sigma_w > 0.0 and min(call.input.var, call.output.var) > 0.0:
            found.append((call, rule))
    return found


def _behind(calls: Sequence[Call], marked: Sequence[bool]) -> list[bool]:
    """Return which calls a marked one hears of, at whatever distance."""
    heard = [False] * len(calls)
    for position in reversed(range(len(calls))):
        if marked[position] or heard[position]:
            for source in calls[position].sources:
                if source >= 0:
                    heard[source] = True
    return heard


def _before(calls: Sequence[Call], marked: Sequence[bool]) -> list[bool]:
    """Return which calls hear of a marked one, at whatever distance."""
    hears = [False] * len(calls)
    for position, call in enumerate(calls):
        hears[position] = any(source > INPUT and (marked[source] or hears[source]) for source in call.sources)
    return hears


def _kinds(call: Call, rule: Weights) -> tuple[object, ...]:
    wide = (role(call.name), call.kind, rule.taps)
    return (*wide, rule.units, round(rule.fan_in)), wide


def _branches(evidence: Evidence) -> Iterator[Finding]:
    heard = [branch for branch in branches(evidence.calls) if branch.added > 0.0]
    members = [Member(branch.name, (role(branch.name), "branch"), math.log(branch.gain)) for branch in heard]
    for odd in odd_ones(members):
        branch, ratio = heard[odd.at], heard[odd.at].added / heard[odd.at].stream
        if abs(odd.log) < math.log(UNLIKE):
            continue
        if odd.log > 0.0 and ratio > UNLIKE:
            yield _finding(BRANCH, Severity.WARNING, branch, odd.log, odd.interval, len(odd.siblings))
        elif odd.log < 0.0 and ratio < NOTHING:
            yield _finding(SILENT, Severity.INFO, branch, odd.log, odd.interval, len(odd.siblings))


def _finding(
    rule: FindingRule, severity: Severity, branch: Branch, log: float, ends: tuple[float, float], siblings: int
) -> Finding:
    factor, share = math.exp(log / 2.0), math.sqrt(branch.added / branch.stream)
    low, high = (math.exp(end / 2.0) for end in ends)
    return rule.finding(
        severity,
        branch.name,
        factor,
        f"the branch that ends with {branch.name} adds x{share:.3g} what goes round it, and x{factor:.3g} what "
        f"{siblings} other branches make of what they get",
        f"multiply the weights of {branch.name}, or of the layer in its branch that is named besides, by "
        f"{1.0 / factor:.3g}: then theory expects as much as of the others",
        interval=(low, high),
        expected=1.0,
        predicted=1.0,
    )


def _check(evidence: Evidence) -> Iterator[Finding]:
    yield from _layers(evidence)
    yield from _branches(evidence)


FAMILY = Family((LAYER, BRANCH, SILENT), _check, SIGNAL)
