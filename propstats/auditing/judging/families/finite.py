"""Numbers that are not finite: the first place in the data, the weights, the signal and the gradient."""

from collections.abc import Iterator
from typing import Final

from propstats.auditing.judging.evidence import Evidence
from propstats.auditing.judging.rule import ALWAYS, Family, FindingRule
from propstats.auditing.judging.weight_checks import non_finite_parameters
from propstats.auditing.records import Finding, Severity

_WHY: Final = "no number is infinite or NaN in a network that can be trained: the limit is 0"
_SOURCE: Final = "IEEE 754-2019, sections 6 and 7: NaN and infinity propagate"
_SURE: Final = "a count of what is there: exact"
_REMEDY: Final = "find out where it comes from before anything else: no other number can be trusted"


def _rule(where: str, what: str) -> FindingRule:
    return FindingRule(
        f"non-finite-{where}", f"{what} not finite", f"NaN or infinity in {what}: all that follows is undefined",
        _WHY, _SOURCE, _SURE,
    )  # fmt: skip


DATA = _rule("data", "data that are")
WEIGHTS = _rule("weights", "weights that are")
FORWARD = _rule("forward", "a signal that is")
BACKWARD = _rule("backward", "a gradient that is")


def _check(evidence: Evidence) -> Iterator[Finding]:
    count = evidence.probe.inputs.non_finite
    if count:
        message = f"the data hold numbers that are not finite ({count})"
        yield DATA.finding(Severity.ERROR, None, count, message, _REMEDY, expected=0.0)
    for name, count in non_finite_parameters(evidence.calls):
        message = f"{name} holds numbers that are not finite ({count})"
        yield WEIGHTS.finding(Severity.ERROR, name.rpartition(".")[0], count, message, _REMEDY, expected=0.0)
    forwards = [(layer, layer.forward.non_finite) for layer in evidence.layers]
    backwards = [(layer, layer.backward.non_finite) for layer in reversed(evidence.layers)]
    for rule, what, counts in ((FORWARD, "signal", forwards), (BACKWARD, "gradient", backwards)):
        first = next(((layer, count) for layer, count in counts if count), None)
        if first is not None:
            layer, count = first
            message = f"the {what} is first not finite at {layer.name} ({count} numbers)"
            yield rule.finding(Severity.ERROR, layer.name, count, message, _REMEDY, expected=0.0)


FAMILY = Family((DATA, WEIGHTS, FORWARD, BACKWARD), _check, ALWAYS)
