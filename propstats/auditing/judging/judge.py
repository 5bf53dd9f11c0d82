"""Verdicts: expected against measured, and what follows."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from propstats.auditing.judging.remedy import rescale_all, rescale_one
from propstats.auditing.judging.trend import Path, backward_path, forward_path
from propstats.auditing.judging.weight_checks import duplicate_units, non_finite_parameters
from propstats.auditing.measuring.call import Call
from propstats.auditing.measuring.probe import Probe
from propstats.auditing.records import Finding, Layer, Rate, Severity, Trend
from propstats.estimate import STANDARD_ERRORS

#: A gradient that is this many times smaller (larger) at one end than at the other cannot be served by one learning
#: rate: where one end moves by a hundredth of its weights, the other moves by a hundredth of that. A tenth warns.
FAIL_FACTOR = 100.0
WARN_FACTOR = 10.0
#: Shares of dead units, saturated pre-activations and repeated units that warn and that fail. Where inputs become
#: alike, half of the units of a sound rectifier are off for all of them.
WARN_SHARE = 0.75
FAIL_SHARE = 0.95
#: A layer departs from theory beyond its errors and by more than this factor in the mean square: weights that training
#: has aligned with their input do, random ones do not.
DEPARTURE = 2.0


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that a rule may look at."""

    calls: Sequence[Call]
    layers: Sequence[Layer]
    trend: Trend
    probe: Probe


Check = Callable[[Evidence], Iterator[Finding]]


def departs(measured: float, expected: float, relative_error: float) -> bool:
    """Whether a positive number is off its expectation by more than errors and approximations explain."""
    if expected <= 0.0 or measured <= 0.0:
        return (measured > 0.0) != (expected > 0.0)
    gap = abs(math.log(measured / expected))
    return gap > math.log(DEPARTURE) and gap > STANDARD_ERRORS * relative_error


def judge(evidence: Evidence) -> list[Finding]:
    """Apply all rules; errors first."""
    found = [finding for check in CHECKS for finding in check(evidence)]
    order = list(Severity)
    return sorted(found, key=lambda finding: order.index(finding.severity))


def _non_finite(evidence: Evidence) -> Iterator[Finding]:
    """NaN or infinity in the data, the weights, the signal or the gradient: the first place in each."""
    remedy = "find out where it comes from before anything else: no other number can be trusted"
    if evidence.probe.inputs.non_finite:
        count = evidence.probe.inputs.non_finite
        yield _error(
            "non-finite-data", None, count, 0.0, f"the data hold numbers that are not finite ({count})", remedy
        )
    for name, count in non_finite_parameters(evidence.calls):
        message = f"{name} holds numbers that are not finite ({count})"
        yield _error("non-finite-weights", name.rpartition(".")[0], count, 0.0, message, remedy)
    for direction, counts in (
        ("forward", [layer.forward.non_finite for layer in evidence.layers]),
        ("backward", [layer.backward.non_finite for layer in evidence.layers][::-1]),
    ):
        first = next((i for i, count in enumerate(counts) if count), None)
        if first is not None:
            layer = (evidence.layers if direction == "forward" else evidence.layers[::-1])[first]
            what = "signal" if direction == "forward" else "gradient"
            message = f"the {what} is first not finite at {layer.name} ({counts[first]} numbers)"
            yield _error(f"non-finite-{direction}", layer.name, counts[first], 0.0, message, remedy)


def _rates(evidence: Evidence) -> Iterator[Finding]:
    """Signal or gradient that vanishes or explodes over depth."""
    for direction, rate, path in (
        ("forward", evidence.trend.forward_rate, forward_path(evidence.layers)),
        ("backward", evidence.trend.backward_rate, backward_path(evidence.layers)),
    ):
        lost_before = direction == "forward" and any(_constant(evidence))
        if rate is not None and not lost_before:
            factor = math.inf if rate.total == 0 else max(rate.total, 1 / rate.total)
            if factor >= WARN_FACTOR:
                yield _rate_finding(evidence, direction, rate, path, factor)


def _rate_finding(evidence: Evidence, direction: str, rate: Rate, path: Path, factor: float) -> Finding:
    layers, squares = path.layers, path.squares
    vanishing = rate.total < 1
    severity = Severity.ERROR if factor >= FAIL_FACTOR else Severity.WARNING
    limit = FAIL_FACTOR if factor >= FAIL_FACTOR else WARN_FACTOR
    scales = [math.sqrt(square / squares[0]) if squares[0] > 0 else 0.0 for square in squares]
    past = (i for i, scale in enumerate(scales) if (scale <= 1 / limit if vanishing else scale >= limit))
    beyond = next(past, len(layers) - 1)  # the last one, where rounding hides that it is past
    steps = [b / a if a > 0 else 0.0 for a, b in pairwise(scales)]
    what = "the signal (what differs between inputs)" if direction == "forward" else "the gradient's norm"
    verb = "vanishes" if vanishing else "explodes"
    rule = f"{direction}-{'vanishing' if vanishing else 'exploding'}"
    ends = f"from {layers[0].name} to {layers[-1].name}"
    worst = (min if vanishing else max)(range(len(steps)), key=lambda i: steps[i])
    others = [step for i, step in enumerate(steps) if i != worst and step > 0]
    usual = math.exp(sum(map(math.log, others)) / len(others)) if others else 1.0
    alone = steps[worst] / usual if usual > 0 else 0.0
    expected = f"; theory expects x{rate.expected:.3g} from these weights" if rate.expected is not None else ""
    # One layer is to blame when the network without it would pass.
    rest = factor * alone if vanishing else factor / alone
    if alone > 0 and max(rest, 1 / rest) < WARN_FACTOR:
        # Forwards a layer acts on its way in, backwards the layer just passed does.
        culprit = layers[worst + 1] if direction == "forward" else layers[worst]
        message = (
            f"{what} {verb} at {culprit.name}: x{steps[worst]:.3g} there, x{usual:.3g} in the other layers, "
            f"x{rate.total:.3g} {ends}"
        )
        return _finding(rule, severity, culprit.name, steps[worst], None, usual, message, rescale_one(culprit, alone))
    low, high = rate.interval
    name = layers[beyond].name
    message = (
        f"{what} {verb}: x{rate.value:.3g} a layer [{low:.3g}, {high:.3g}], x{rate.total:.2g} {ends}, "
        f"{'below 1/' if vanishing else 'above '}{limit:.0f} at {name}{expected}"
    )
    remedy = rescale_all(evidence.calls, evidence.layers)
    return _finding(rule, severity, name, rate.value, rate.interval, 1.0, message, remedy)


def _dead(evidence: Evidence) -> Iterator[Finding]:
    """Units whose slope vanishes for all data: nothing can teach them."""
    yield from _shares(
        "dead-units",
        [(layer, layer.forward.dead) for layer in evidence.layers],
        "of the units of {layer} have no slope for any of the data",
        "lower the learning rate or the biases that push them off, or use a leaky activation",
    )


def _saturated(evidence: Evidence) -> Iterator[Finding]:
    """Bounded activations that work where they are flat."""
    yield from _shares(
        "saturated",
        [(layer, layer.forward.saturated) for layer in evidence.layers],
        "of the inputs of {layer} lie where its slope is below 1 % of its steepest",
        "bring its input down to the order of 1: smaller weights before it, or a normaliser",
    )


def _shares(rule: str, shares: Sequence[tuple[Layer, float | None]], what: str, remedy: str) -> Iterator[Finding]:
    """One finding for all layers in which too large a share has gone wrong, about the worst of them."""
    bad = [(share, layer) for layer, share in shares if share is not None and share > WARN_SHARE]
    if bad:
        share, worst = max(bad, key=lambda pair: pair[0])
        others = f" (the worst of {len(bad)} such layers)" if len(bad) > 1 else ""
        severity = Severity.ERROR if share > FAIL_SHARE else Severity.WARNING
        message = f"{share:.0%} {what.format(layer=worst.name)}{others}"
        yield _finding(rule, severity, worst.name, share, None, 0.0, message, remedy)


def _identical(evidence: Evidence) -> Iterator[Finding]:
    """Units with exactly the same weights: they will stay the same for ever."""
    for name, duplicates, units in duplicate_units(evidence.calls):
        share = duplicates / units
        yield _finding(
            "identical-units",
            Severity.ERROR if share > WARN_SHARE else Severity.WARNING,
            name,
            share,
            None,
            0.0,
            f"{duplicates} of the {units} units of {name} repeat another's weights: equal gradients keep them equal",
            "draw the weights at random",
        )


def _constant(evidence: Evidence) -> Iterator[Finding]:
    """Data that are all the same: there is no signal to follow."""
    inputs = evidence.probe.inputs
    if inputs.is_finite and inputs.var == 0.0:
        message = "all samples are the same: nothing can be told apart, before or after any layer"
        yield _error("constant-data", None, 0.0, 1.0, message, "audit with data that vary")


def _uncentred(evidence: Evidence) -> Iterator[Finding]:
    """Data far from zero mean: all weights of a first-layer unit are pushed the same way."""
    inputs = evidence.probe.inputs
    if not inputs.is_finite or inputs.q == 0:
        return
    share = float(inputs.unit_means.mean()) ** 2 / inputs.q
    if share > WARN_SHARE:
        yield _finding(
            "uncentred-inputs",
            Severity.WARNING,
            None,
            share,
            None,
            0.0,
            f"{share:.0%} of the data's second moment is its mean: the updates of a unit share one sign (zig-zag)",
            "subtract the mean: --normalize global or feature",
        )


def _departures(evidence: Evidence) -> Iterator[Finding]:
    """Layers that do to their own input something else than random weights of their size would."""
    for layer in evidence.layers:
        if layer.verdict != "departs" or layer.one_step is None:
            continue
        stale = layer.type.startswith("BatchNorm")
        measured, expected, what = layer.forward.q, layer.one_step.q, "a signal of second moment"
        back, back_expected = layer.backward.input, layer.one_step.gradient_input
        if back is not None and back_expected and _gap(back.value, back_expected) > _gap(measured.value, expected):
            measured, expected, what = back, back_expected, "a gradient of mean square"
        yield _finding(
            "stale-batch-norm" if stale else "departs",
            Severity.WARNING if stale else Severity.INFO,
            layer.name,
            measured.value,
            (measured.value - 1.96 * measured.error, measured.value + 1.96 * measured.error),
            expected,
            f"{layer.name} hands on {what} {measured.value:.3g} where theory expects {expected:.3g}"
            + (" from its running statistics" if stale else ""),
            "run data through it in training mode to renew its running statistics"
            if stale
            else "its weights are not independent of its input, as after training: no fault by itself",
        )


def _gap(measured: float, expected: float) -> float:
    return abs(math.log(measured / expected)) if measured > 0 and expected > 0 else math.inf


CHECKS: Sequence[Check] = (_non_finite, _constant, _rates, _dead, _saturated, _identical, _uncentred, _departures)


def _error(rule: str, layer: str | None, value: float, expected: float, message: str, remedy: str) -> Finding:
    return _finding(rule, Severity.ERROR, layer, value, None, expected, message, remedy)


def _finding(
    rule: str,
    severity: Severity,
    layer: str | None,
    value: float,
    interval: tuple[float, float] | None,
    expected: float | None,
    message: str,
    remedy: str,
) -> Finding:
    return Finding(rule, severity, layer, float(value), interval, expected, message, remedy)
