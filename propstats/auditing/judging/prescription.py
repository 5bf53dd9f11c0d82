"""What theory prescribes: weights and biases at the edge of chaos for the activation in front of each layer."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from torch import nn

from propstats.activations import Activation
from propstats.auditing.expecting.expect import from_network
from propstats.auditing.judging.trend import expected_rate
from propstats.auditing.measuring.call import Call
from propstats.auditing.measuring.probe import Probe
from propstats.errors import DomainError
from propstats.estimate import Estimate, Route
from propstats.rules.affine import Unchanged
from propstats.rules.batch_norm import RunningNorm
from propstats.rules.dense import Weights
from propstats.rules.elementwise import Elementwise
from propstats.rules.norm import GroupNorm
from propstats.theory.mean_field.critical import CriticalPoint, critical_point
from propstats.theory.mean_field.critical_line import critical_weights

#: The slope of a random walk, fitted over all of it, scatters by this factor more than its end does.
_WALK = math.sqrt(6.0 / 5.0)


@dataclass(frozen=True, slots=True)
class Prescription:
    """What one layer's weights should be.

    Args:
        name: The layer.
        activation: What its input comes from; None for the network's input, which counts as N(0, 1).
        sigma_w: Standard deviation of its weights times sqrt(fan_in).
        sigma_b: Standard deviation of its biases.
        fan_in: Terms in the sum of one output.
    """

    name: str
    activation: Activation | None
    sigma_w: float
    sigma_b: float
    fan_in: float

    @property
    def weight_std(self) -> float:
        """Standard deviation of its weights."""
        return self.sigma_w / math.sqrt(self.fan_in)


@dataclass(frozen=True, slots=True)
class Prediction:
    """What theory expects of the network with what was prescribed: rates a layer of weights, with their errors."""

    forward: Estimate | None
    backward: Estimate | None


def prescribe(calls: Sequence[Call]) -> list[Prescription]:
    """Return what theory prescribes for the layers of weights of a chain, each once.

    Layers in front of a normaliser are left out: what their scale is makes no difference.

    Args:
        calls: What was measured.

    Raises:
        DomainError: If an activation has no critical point: its mean is too large, or it jumps.

    References:
        Schoenholz et al. 2017, arXiv:1611.01232, section 3.
    """
    found: dict[str, Prescription] = {}
    normalised = _normalised(calls)
    points: dict[tuple[str, bool], CriticalPoint] = {}
    for position, call in _weights(calls):
        if call.name in found or position in normalised:
            continue
        rule = call.rule
        assert isinstance(rule, Weights)
        act, has_bias = _activation_before(calls, call), getattr(call.module, "bias", None) is not None
        if act is None:
            found[call.name] = Prescription(call.name, None, 1.0, 0.0, rule.fan_in)
            continue
        key = str(act), has_bias
        if key not in points:
            points[key] = _point(act, has_bias)
        found[call.name] = Prescription(call.name, act, points[key].sigma_w, points[key].sigma_b, rule.fan_in)
    return list(found.values())


def scaled_layers(calls: Sequence[Call]) -> list[str]:
    """Return the names of the layers of weights whose scale matters, in the order of their first calls."""
    normalised = _normalised(calls)
    return list(dict.fromkeys(call.name for position, call in _weights(calls) if position not in normalised))


def predict(probe: Probe, prescriptions: Sequence[Prescription]) -> Prediction:
    """Return what theory expects of the network once its weights are what was prescribed.

    Args:
        probe: What was measured: the network as it is, and its data.
        prescriptions: What is to change.
    """
    rules = {p.name: _with(probe.calls, p) for p in prescriptions}
    return predict_rules(probe, rules)


def predict_rules(probe: Probe, rules: Mapping[str, Weights]) -> Prediction:
    """Return what theory expects of the network with other rules for some layers, by their names."""
    calls = [replace(call, rule=rules.get(call.name, call.rule)) for call in probe.calls]
    expected = from_network(replace(probe, calls=calls))
    places = [position for position, _ in _weights(calls)]
    known = [(expected[i], calls[i]) for i in places]
    forward = [e.var if e is not None else None for e, _ in known]
    norms = [
        math.prod(call.shape) * e.gradient_output if e is not None and e.gradient_output is not None else None
        for e, call in known
    ]
    errors = [e.error for e, _ in known if e is not None]
    return Prediction(_estimate(forward, errors), _estimate(norms[::-1], errors))


def _estimate(squares: Sequence[float | None], errors: Sequence[float]) -> Estimate | None:
    """Return a rate with the error that the finite width allows: log q is a random walk over the layers."""
    rate = expected_rate(squares) if len(squares) > 1 else None
    if rate is None or not errors:
        return None
    error = 0.5 * max(errors) * _WALK / (len(squares) - 1)
    return Estimate(rate, rate * error, Route.MEASURED)


def _with(calls: Sequence[Call], prescription: Prescription) -> Weights:
    rule = next(call.rule for call in calls if call.name == prescription.name)
    assert isinstance(rule, Weights)
    return replace(
        rule,
        weight_mean=0.0,
        weight_second_moment=prescription.weight_std**2,
        bias_mean=0.0,
        bias_second_moment=prescription.sigma_b**2,
    )


def _weights(calls: Sequence[Call]) -> Iterator[tuple[int, Call]]:
    kinds = nn.Linear | nn.Conv1d | nn.Conv2d | nn.Conv3d
    return (
        (i, call) for i, call in enumerate(calls) if isinstance(call.rule, Weights) and isinstance(call.module, kinds)
    )


def _normalised(calls: Sequence[Call]) -> set[int]:
    """Return the positions of calls whose output a normaliser takes, nothing that matters lying between."""
    found = set()
    for call in calls:
        if isinstance(call.rule, RunningNorm | GroupNorm):
            source = call.source
            while source is not None and source >= 0:
                found.add(source)
                source = calls[source].source if isinstance(calls[source].rule, Unchanged) else None
    return found


def _activation_before(calls: Sequence[Call], call: Call) -> Activation | None:
    """Return the activation that a layer's input comes from, through layers that are none; None for the input."""
    source = call.source
    while source is not None and source >= 0:
        before = calls[source]
        if isinstance(before.rule, Elementwise):
            return before.rule.activation
        if isinstance(before.rule, Weights):
            return None
        source = before.source
    return None


def _point(activation: Activation, has_bias: bool) -> CriticalPoint:
    point = critical_point(activation)
    if point.sigma_b == 0.0 or has_bias:
        return point
    without = critical_weights(activation, 0.0)
    if not without:
        raise DomainError(
            f"{activation} is critical with biases of std {point.sigma_b:.3g} only, and a layer has none",
            "give the layers biases",
        )
    return without[0]
