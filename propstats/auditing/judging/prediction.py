"""What theory expects of a chain once some of its weights are changed."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from propstats.auditing.expecting.expect import measured_signal
from propstats.auditing.judging.chain import joining, layers_of_weights
from propstats.auditing.judging.prescription import Prescription
from propstats.auditing.judging.trend import expected_rate
from propstats.auditing.measuring.call import INPUT
from propstats.auditing.measuring.probe import Probe
from propstats.estimate import Estimate, Route
from propstats.rules.dense import Weights
from propstats.rules.rule import Join
from propstats.signals import Gradient, Signal

#: The slope of a random walk, fitted over all of it, scatters by this factor more than its end does.
_WALK: Final = math.sqrt(6.0 / 5.0)


@dataclass(frozen=True, slots=True)
class Prediction:
    """Rates a layer of weights, with their errors; None where theory gives no number."""

    forward: Estimate | None
    backward: Estimate | None


UNKNOWN: Final = Prediction(None, None)


def predict(probe: Probe, prescriptions: Sequence[Prescription]) -> Prediction:
    """Return what theory expects of the network once its weights are what was prescribed.

    Args:
        probe: What was measured: the network as it is, and its data.
        prescriptions: What is to change.
    """
    now = {call.name: rule for _, call, rule in layers_of_weights(probe.calls)}
    rules = {
        p.name: replace(
            now[p.name],
            weight_mean=0.0,
            weight_second_moment=p.weight_std**2,
            bias_mean=0.0,
            bias_second_moment=p.sigma_b**2,
        )
        for p in prescriptions
    }
    return predict_rules(probe, rules)


def predict_rules(probe: Probe, changed: Mapping[str, Weights]) -> Prediction:
    """Return what theory expects of the network with other rules for some layers, by their names."""
    calls = probe.calls
    if joining(calls) is not None:
        return UNKNOWN
    # Where no paths join, what is made for joints does not occur.
    rules = [changed.get(call.name) or (None if isinstance(call.rule, Join) else call.rule) for call in calls]
    befores: list[Signal | None] = []
    signals: list[Signal | None] = []
    for call, rule in zip(calls, rules, strict=True):
        before = measured_signal(probe.inputs) if call.source == INPUT else None
        if call.source is not None and call.source >= 0:
            before = signals[call.source]
        befores.append(before)
        signals.append(rule.forward(before) if rule is not None and before is not None else None)
    gradients: list[Gradient | None] = [None] * len(calls)
    position: int | None = probe.result
    gradient = Gradient(1.0)
    while position is not None and position >= 0:
        gradients[position] = gradient
        rule, before = rules[position], befores[position]
        if rule is None or before is None:
            break
        gradient = rule.backward(gradient, before)
        position = calls[position].source
    places = [(position, call) for position, call, _ in layers_of_weights(calls)]
    after = [signals[position] for position, _ in places]
    behind = [gradients[position] for position, _ in places]
    norms = [
        math.prod(call.shape) * one.q if one is not None else None
        for one, (_, call) in zip(behind, places, strict=True)
    ]
    return Prediction(
        _estimate([one.var if one is not None else None for one in after], [one.error for one in after if one]),
        _estimate(norms[::-1], [one.error for one in after if one]),
    )


def _estimate(squares: Sequence[float | None], errors: Sequence[float]) -> Estimate | None:
    """Return a rate with the error that the finite width allows: log q is a random walk over the layers."""
    rate = expected_rate(squares) if len(squares) > 1 else None
    if rate is None or not errors:
        return None
    error = 0.5 * max(errors) * _WALK / (len(squares) - 1)
    return Estimate(rate, rate * error, Route.MEASURED)
