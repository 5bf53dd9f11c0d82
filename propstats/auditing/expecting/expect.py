"""What theory expects of every measured layer, with the network's real weights."""

import math
from collections.abc import Sequence

from propstats.auditing.measuring.call import Call
from propstats.auditing.measuring.probe import Probe
from propstats.auditing.measuring.statistics import UnitStatistics
from propstats.auditing.records import Expected
from propstats.estimate import Gradient, Signal
from propstats.rules.rule import Rule


def measured_signal(statistics: UnitStatistics) -> Signal | None:
    """Return the signal that was measured, or None where it is not finite."""
    if not statistics.is_finite:
        return None
    q = statistics.q
    error = statistics.pooled_square.error / q if q > 0 else 0.0
    return Signal(float(statistics.unit_means.mean()), q, statistics.var, error)


def one_step(call: Call) -> Expected | None:
    """Return what a layer should make of its own measured input and output gradient."""
    before = measured_signal(call.input)
    if call.rule is None or before is None:
        return None
    after = _apply(call.rule, before)
    if after is None:
        return None
    given = call.gradient_output.running.mean if call.gradient_output.is_measured else None
    back = call.rule.backward(Gradient(given), before).q if given is not None else None
    return Expected(after.q, after.var, given, back, after.error, "layer")


def from_network(probe: Probe) -> list[Expected | None]:
    """Return what every layer should carry, given only the network's input and a unit gradient at its output.

    Where a layer's input does not come straight from another layer, or a layer has no rule, the chain is broken, and
    what follows (forwards; before, backwards) has no such expectation.
    """
    signals = _forward(probe)
    gradients = _backward(probe, signals)
    expected: list[Expected | None] = []
    for signal, (at_output, at_input) in zip(signals, gradients, strict=True):
        if signal is None:
            expected.append(None)
        else:
            expected.append(Expected(signal.q, signal.var, at_output, at_input, signal.error, "network"))
    return expected


def _before(call: Call, signals: Sequence[Signal | None], probe: Probe) -> Signal | None:
    if call.source is None:
        return None
    return measured_signal(probe.inputs) if call.source == -1 else signals[call.source]


def _forward(probe: Probe) -> list[Signal | None]:
    signals: list[Signal | None] = []
    for call in probe.calls:
        before = _before(call, signals, probe)
        signals.append(_apply(call.rule, before) if call.rule is not None and before is not None else None)
    return signals


def _apply(rule: Rule, before: Signal) -> Signal | None:
    """Apply a rule; weights that are not finite leave nothing to expect."""
    after = rule.forward(before)
    return after if math.isfinite(after.q) and math.isfinite(after.mean) else None


def _backward(probe: Probe, signals: Sequence[Signal | None]) -> list[tuple[float | None, float | None]]:
    """Return the expected second moment of the gradient at each call's output and input."""
    calls = probe.calls
    if probe.result < 0 or any(call.source is None for call in calls):
        return [(None, None)] * len(calls)  # what is unseen may send gradients too
    at_output = [0.0] * len(calls)
    at_output[probe.result] = 1.0
    at_input = [math.nan] * len(calls)
    for position in reversed(range(len(calls))):
        call, before = calls[position], _before(calls[position], signals, probe)
        if call.rule is not None and before is not None:
            at_input[position] = call.rule.backward(Gradient(at_output[position]), before).q
        for slot, source in enumerate(call.sources):
            if source >= 0:  # a rule says what reaches the one input that it is about
                at_output[source] += at_input[position] if slot == call.main else math.nan
    return [(_known(out), _known(back)) for out, back in zip(at_output, at_input, strict=True)]


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None
