"""What to change, with the effect that theory predicts."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from propstats.auditing.judging.chain import joining
from propstats.auditing.judging.prediction import predict, predict_rules
from propstats.auditing.judging.prescription import Prescription, prescribe
from propstats.auditing.measuring.probe import Probe
from propstats.auditing.records import Layer
from propstats.errors import DomainError
from propstats.estimate import Estimate
from propstats.rules.dense import Weights


@dataclass(frozen=True, slots=True)
class Remedy:
    """What to change, and what a rate should be afterwards; None where theory gives no number."""

    text: str
    predicted: Estimate | None


@dataclass(frozen=True, slots=True)
class Remedies:
    """One change, and what it does to the rates of both directions."""

    forward: Remedy
    backward: Remedy


def rescale_all(probe: Probe, layers: Sequence[Layer]) -> Remedies:
    """Say how to draw the weights so that neither signal nor gradient changes its scale.

    Args:
        probe: What was measured.
        layers: Its layers.
    """
    join = joining(probe.calls)
    if join is not None:
        return _both(
            f"paths join at {join.name}, where no one scale of the weights serves all: scale the branches down "
            "(Fixup), put a normaliser into them, or --fix with --method lsuv"
        )
    try:
        prescribed = prescribe(probe.calls)
    except DomainError as error:
        return _both(f"{error.message}: {error.hint}")
    if not prescribed:
        return _both("its layers are normalised: what is left is the scale of the branches that join")
    scales = [layer.sigma_w for layer in layers if layer.sigma_w]
    now = math.exp(sum(map(math.log, scales)) / len(scales)) if scales else 0.0
    text = f"draw the weights with std {_recipe(prescribed)} instead of {now:.3g}/sqrt(fan_in)"
    prediction = predict(probe, prescribed)
    return Remedies(
        _predicting(text, prediction.forward, "forwards"), _predicting(text, prediction.backward, "backwards")
    )


def _both(text: str) -> Remedies:
    """Return a remedy of which theory gives no number."""
    return Remedies(Remedy(text, None), Remedy(text, None))


def _predicting(text: str, rate: Estimate | None, way: str) -> Remedy:
    return Remedy(text if rate is None else f"{text}: theory predicts x{rate.value:.3g} a layer {way}", rate)


def _recipe(prescribed: Sequence[Prescription]) -> str:
    """Write down scales that most layers share; the first layer, which no activation precedes, comes last."""
    kinds = {(str(p.activation), p.sigma_w, p.sigma_b): p for p in prescribed if p.activation is not None}
    if not kinds:
        return "1/sqrt(fan_in), biases 0 (no activation lies between)"
    texts = []
    for p in kinds.values():
        biases = f"biases with std {p.sigma_b:.3g}" if p.sigma_b else "biases 0"
        texts.append(f"{p.sigma_w:.4g}/sqrt(fan_in), {biases} after {p.activation} (the edge of chaos)")
    return "; ".join(texts)


def rescale_one(probe: Probe, layer: Layer, factor: float, direction: str) -> Remedy:
    """Say how to bring one layer back in line with the others.

    Args:
        probe: What was measured.
        layer: The layer.
        factor: How many times as large as in the others its step is.
        direction: Which rate the finding is about.
    """
    text = f"multiply the weights of {layer.name} by {1 / factor:.3g}: the layers around it keep their scale"
    rule = next((call.rule for call in probe.calls if call.name == layer.name), None)
    if not isinstance(rule, Weights):
        return Remedy(text, None)
    rescaled = replace(
        rule, weight_mean=rule.weight_mean / factor, weight_second_moment=rule.weight_second_moment / factor**2
    )
    prediction = predict_rules(probe, {layer.name: rescaled})
    return Remedy(text, prediction.forward if direction == "forward" else prediction.backward)
