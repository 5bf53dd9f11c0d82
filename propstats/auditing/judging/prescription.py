"""What theory prescribes: weights and biases at the edge of chaos for the activation in front of each layer."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from propstats.activations import Activation
from propstats.auditing.judging.chain import activation_before, layers_of_weights, normalised
from propstats.auditing.measuring.call import Call
from propstats.errors import DomainError
from propstats.theory.mean_field.critical import CriticalPoint, critical_point
from propstats.theory.mean_field.critical_line import critical_weights


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


def prescribe(calls: Sequence[Call]) -> list[Prescription]:
    """Return what theory prescribes for the layers of weights of a chain, each once.

    Layers in front of a normaliser are left out: what their scale is makes no difference.

    Args:
        calls: What was measured.

    Raises:
        DomainError: If an activation has no critical point (its mean is too large, or it jumps), or if it is not known
            what a layer's input looks like.

    References:
        Schoenholz et al. 2017, arXiv:1611.01232, section 3.
    """
    found: dict[str, Prescription] = {}
    left_out = normalised(calls)
    points: dict[tuple[str, bool], CriticalPoint] = {}
    for position, call, rule in layers_of_weights(calls):
        if call.name in found or position in left_out:
            continue
        act, has_bias = activation_before(calls, call), getattr(call.module, "bias", None) is not None
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
    left_out = normalised(calls)
    return list(dict.fromkeys(call.name for position, call, _ in layers_of_weights(calls) if position not in left_out))


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
