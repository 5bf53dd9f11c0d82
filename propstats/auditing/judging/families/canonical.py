"""What NormProp promises of every layer: zero mean, unit variance, uncorrelated units."""

import math
from collections.abc import Iterator

import torch

from propstats.auditing.judging.closer import covariance, estimate, off_diagonal
from propstats.auditing.judging.evidence import Evidence
from propstats.auditing.judging.families.inputs import ONE_SIGN, ZIG_ZAG, sign_agreement, standard_error
from propstats.auditing.judging.limits import DEPARTURE, IN_COMMON
from propstats.auditing.judging.rule import CANONICAL, Family, FindingRule
from propstats.auditing.judging.simultaneous import Beyond, Measured, above
from propstats.auditing.records import Finding, Layer, Severity
from propstats.errors import DomainError
from propstats.rules.from_torch_parts import whole
from propstats.theory.weights.coherence import canonical_error

_ARPIT = "Arpit et al. 2016, arXiv:1603.01431, section 3.1 and Eq. 12"
_NORMPROP = "NormProp: rows of length 1, and (y - c2)/c1 after each activation; and --normalize feature"
MEAN = FindingRule(
    "non-canonical-mean",
    "units whose mean over the data is not zero",
    "constants c1 and c2 belong to pre-activations of mean 0 and variance 1; elsewhere they do not normalise",
    "the units' squared means are more than half of the second moment: what all inputs share outweighs what differs",
    _ARPIT,
    "the standard error comes from samples, simultaneous for all layers",
)
VARIANCE = FindingRule(
    "non-canonical-variance",
    "units whose variance over the data is not 1",
    "constants c1 and c2 belong to pre-activations of mean 0 and variance 1; elsewhere they do not normalise",
    f"the variance, in the mean over units, is off 1 by more than a factor of {DEPARTURE:g}",
    _ARPIT,
    "the standard error comes from samples, simultaneous for all layers",
)
CORRELATED = FindingRule(
    "correlated-units",
    "units that share their variance",
    "canonical units are uncorrelated; where they share most of their variance the layer carries one direction",
    "the root mean square correlation of two units is above sqrt(1/2): two units have more than half of their variance "
    "in common",
    "Arpit et al. 2016, arXiv:1603.01431, section 3.1",
    "pairs of at most 128 units, each half of the samples on its own, so that the square has no bias; the interval is "
    "simultaneous for all layers",
)
INCOHERENCE = FindingRule(
    "incoherence",
    "units more correlated than Proposition 1 allows",
    "for uncorrelated inputs the covariance of a layer's units is as diagonal as its rows are incoherent; beyond the "
    "bound it is the inputs that are correlated, as neighbouring pixels are, and not the weights",
    "the Frobenius norm of the covariance off its diagonal exceeds s^2 mu sqrt(sum_{i != j} |W_i|^2 |W_j|^2)",
    "Arpit et al. 2016, arXiv:1603.01431, Proposition 1, Eq. 3",
    "s^2 is the mean variance of an input; a jackknife over ten groups of at most 512 samples; simultaneous for all "
    "layers",
)


def _hidden(evidence: Evidence) -> list[Layer]:
    """Return the layers that feed an activation: the last one is free to be what the task asks."""
    layers = [layer for layer in evidence.layers if layer.is_weights and layer.forward.non_finite == 0]
    return layers[:-1] or layers


def _mean(layers: list[Layer]) -> Iterator[Finding]:
    shares = []
    for layer in layers:
        q, var = layer.forward.q, layer.forward.var
        if q.value > 0 and var.value > 0:
            error = var.value / q.value * math.hypot(var.error / var.value, q.error / q.value)
            shares.append(Measured(layer.name, layer.forward.c, error))
    for found in _first(above(shares, 0.5)):
        yield MEAN.finding(
            Severity.ERROR,
            found.layer,
            found.value,
            f"the means of the units of {found.layer} hold {found.value:.0%} of their second moment",
            f"{_NORMPROP}: then theory expects 0",
            interval=found.interval,
            expected=0.0,
            predicted=0.0,
        )


def _variance(layers: list[Layer]) -> Iterator[Finding]:
    known = [layer for layer in layers if layer.forward.var.value > 0]
    logs = [(layer, math.log(layer.forward.var.value)) for layer in known]
    measured = [Measured(layer.name, abs(x), layer.forward.var.error / layer.forward.var.value) for layer, x in logs]
    signs = {layer.name: math.copysign(1.0, x) for layer, x in logs}
    for found in _first(above(measured, math.log(DEPARTURE))):
        ends = sorted(math.exp(signs[found.layer] * end) for end in found.interval)
        value = math.exp(signs[found.layer] * found.value)
        yield VARIANCE.finding(
            Severity.ERROR,
            found.layer,
            value,
            f"the variance of the units of {found.layer} over the data is {value:.3g} in the mean",
            f"{_NORMPROP}: then theory expects 1",
            interval=(ends[0], ends[1]),
            expected=1.0,
            predicted=1.0,
        )


def _correlated(evidence: Evidence, layers: list[Layer]) -> Iterator[Finding]:
    names = {(layer.name, layer.call) for layer in layers}
    measured = []
    for call in evidence.calls:
        found = call.output.correlation if (call.name, call.index) in names else None
        if found is not None:
            measured.append(Measured(call.name, found.rms**2, 2 * found.rms * found.error))
    for beyond in _first(above(measured, IN_COMMON)):
        low, high = (math.sqrt(max(end, 0.0)) for end in beyond.interval)
        value = math.sqrt(beyond.value)
        yield CORRELATED.finding(
            Severity.ERROR,
            beyond.layer,
            value,
            f"two units of {beyond.layer} have a correlation of {value:.2g} (root mean square) over the data",
            "batch norm does not help; decorrelate the data, or use fewer layers",
            interval=(low, min(high, 1.0)),
            expected=0.0,
        )


def _incoherent(evidence: Evidence, layers: list[Layer]) -> Iterator[Finding]:
    measured = []
    modules = {call.name: call.module for call in evidence.calls}
    for layer in layers:
        values = _outputs(evidence, layer)
        inputs = evidence.closer.inputs(layer.name) if evidence.closer is not None else None
        weight, groups = _rows(modules.get(layer.name))
        if values is None or inputs is None or weight is None or len(weight) != values.shape[2]:
            continue
        variance = float(inputs.flatten(0, 1).var(dim=0).mean())
        if variance <= 0.0:
            continue
        try:
            bound = canonical_error(weight.numpy(), std=math.sqrt(variance), groups=groups).canonical_error_bound
        except DomainError:
            continue
        if bound.value <= 0.0:
            continue
        norm = estimate(values, lambda x: off_diagonal(covariance(x)))
        measured.append(Measured(layer.name, norm.value / bound.value, norm.error / bound.value))
    for beyond in _first(above(measured, 1.0)):
        yield INCOHERENCE.finding(
            Severity.WARNING,
            beyond.layer,
            beyond.value,
            f"the covariance of the units of {beyond.layer} off its diagonal is x{beyond.value:.3g} the bound for "
            "uncorrelated inputs: its inputs are correlated",
            "decorrelate what arrives (whitening): then theory expects at most 1",
            interval=beyond.interval,
            expected=1.0,
            predicted=1.0,
        )


def _rows(module: torch.nn.Module | None) -> tuple[torch.Tensor | None, int]:
    weight = getattr(module, "weight", None)
    if not isinstance(weight, torch.Tensor) or not bool(whole(weight).isfinite().all()):
        return None, 1
    groups = getattr(module, "groups", 1)
    return whole(weight).flatten(1).double(), groups if isinstance(groups, int) else 1


def _zig_zag(evidence: Evidence, layers: list[Layer]) -> Iterator[Finding]:
    measured = []
    for layer in layers[1:]:
        inputs = evidence.closer.inputs(layer.name) if evidence.closer is not None else None
        if inputs is not None and bool(inputs.isfinite().all()):
            agreement = sign_agreement(inputs)
            measured.append(Measured(layer.name, float(agreement.mean()), standard_error(agreement)))
    for beyond in _first(above(measured, ONE_SIGN)):
        yield ZIG_ZAG.finding(
            Severity.WARNING,
            beyond.layer,
            beyond.value,
            f"the gradients of the weights of a unit of {beyond.layer} agree in sign to {beyond.value:.0%}",
            "subtract the activation's mean after it, as NormProp does",
            interval=beyond.interval,
            expected=0.0,
        )


def _outputs(evidence: Evidence, layer: Layer) -> torch.Tensor | None:
    if evidence.closer is None or layer.call:
        return None
    values = evidence.closer.outputs(layer.name)
    return values if values is not None and bool(values.isfinite().all()) else None


def _first(found: list[Beyond]) -> list[Beyond]:
    """Return the first of them, where the fault begins: one finding stands for all layers of its kind."""
    return found[:1]


def _check(evidence: Evidence) -> Iterator[Finding]:
    inputs = evidence.probe.inputs
    layers = _hidden(evidence)
    if not layers or (inputs.is_finite and inputs.var == 0.0):
        return
    yield from _mean(layers)
    yield from _variance(layers)
    yield from _correlated(evidence, layers)
    yield from _incoherent(evidence, layers)
    yield from _zig_zag(evidence, layers)


FAMILY = Family((MEAN, VARIANCE, CORRELATED, INCOHERENCE), _check, CANONICAL)
