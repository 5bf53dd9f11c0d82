"""Layers that do to their own input something else than random weights of their size would."""

import math
from collections.abc import Iterator

from torch import nn

from propstats.auditing.judging.evidence import Evidence
from propstats.auditing.judging.limits import DEPARTURE
from propstats.auditing.judging.rule import SIGNAL, Family, FindingRule
from propstats.auditing.judging.simultaneous import interval
from propstats.auditing.records import Finding, Severity
from propstats.estimate import STANDARD_ERRORS

DEPARTS = FindingRule(
    "departs",
    "a layer departs from what theory expects of it",
    "its weights are not independent of its input, as they are when drawn and are not after training: no fault by "
    "itself, but where it happens is where training has been at work",
    f"a factor of {DEPARTURE:g} in the mean square, and {STANDARD_ERRORS:g} standard errors of what width allows",
    "Poole et al. 2016, arXiv:1606.05340, Eq. 3; He et al. 2015, arXiv:1502.01852, Eqs. 7 and 13",
    "to first order in 1/width; the interval is of the measurement alone, simultaneous for all layers",
)


def departs(measured: float, expected: float, relative_error: float) -> bool:
    """Whether a positive number is off its expectation by more than errors and approximations explain."""
    if expected <= 0.0 or measured <= 0.0:
        return (measured > 0.0) != (expected > 0.0)
    gap = abs(math.log(measured / expected))
    return gap > math.log(DEPARTURE) and gap > STANDARD_ERRORS * relative_error


def _check(evidence: Evidence) -> Iterator[Finding]:
    tests, tied, learned = len(evidence.layers), set(_tied(evidence)), set(_learned(evidence))
    for layer in evidence.layers:
        # What a batch norm carries is judged channel by channel, in a family of its own.
        if layer.verdict != "departs" or layer.one_step is None or layer.type.startswith("BatchNorm"):
            continue
        # What has no weights departs where its inputs are no Gaussians or depend on each other, as those of a
        # recurrence do when they are drawn: its verdict says so, and there is nothing that somebody could change.
        if (layer.name, layer.call) not in learned:
            continue
        # What shares its weights with an embedding meets them again in its input, also before training.
        if layer.name in tied:
            continue
        measured, expected, what = layer.forward.q, layer.one_step.q, "a signal of second moment"
        back, back_expected = layer.backward.input, layer.one_step.gradient_input
        if back is not None and back_expected and _gap(back.value, back_expected) > _gap(measured.value, expected):
            measured, expected, what = back, back_expected, "a gradient of mean square"
        yield DEPARTS.finding(
            Severity.INFO,
            layer.name,
            measured.value,
            f"{layer.name} hands on {what} {measured.value:.3g} where theory expects {expected:.3g}",
            "its weights are not independent of its input, as after training: no fault by itself",
            interval=interval(measured.value, measured.error, tests),
            expected=expected,
        )


def _learned(evidence: Evidence) -> Iterator[tuple[str, int]]:
    """Yield the calls that have parameters to learn."""
    yield from ((layer.name, layer.call) for layer in evidence.layers if layer.is_weights)
    for call in evidence.calls:
        if call.has_parameters:
            yield call.name, call.index


def _tied(evidence: Evidence) -> Iterator[str]:
    """Yield the layers whose weights are those of an embedding."""
    tables = [call.module.weight for call in evidence.calls if isinstance(call.module, nn.Embedding)]
    for call in evidence.calls:
        weight = getattr(call.module, "weight", None)
        if not isinstance(call.module, nn.Embedding) and any(weight is table for table in tables):
            yield call.name


def _gap(measured: float, expected: float) -> float:
    return abs(math.log(measured / expected)) if measured > 0 and expected > 0 else math.inf


FAMILY = Family((DEPARTS,), _check, SIGNAL)
