"""What a test may ask of a network."""

import math
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from propstats.auditing.judging.limits import IN_COMMON
from propstats.auditing.layer_statistics import ForwardStatistics
from propstats.auditing.records import AuditReport, Finding, Layer, Policy, Severity
from propstats.estimate import STANDARD_ERRORS

if TYPE_CHECKING:
    import torch
    from torch import nn

#: How far from 0 the means of a canonical layer's units, and from 1 their variance, may be, beyond what the data leave
#: open.
TOLERANCE = 0.1
#: How correlated two of its units may be: as in audits with the policy `canonical`.
CORRELATION = math.sqrt(IN_COMMON)


def assert_survives(
    network: "AuditReport | nn.Module | str | os.PathLike[str]",
    data: "str | torch.Tensor" = "digits",
    **options: Any,
) -> AuditReport:
    """Fail unless signal survives a network, forwards and backwards, and return the audit.

    Args:
        network: A report, or what `propstats.audit` takes.
        data: The data, where there is no report yet.
        **options: More for `propstats.audit`.

    Raises:
        AssertionError: If an error was found; the message has all errors with their remedies.

    >>> from propstats.auditing.provenance import DataInfo, ModelInfo
    >>> from propstats.auditing.records import Coverage, Trend
    >>> model, data = ModelInfo("a.pt", None, "torch module", False, 9), DataInfo("x", None, 9, (1,), "", "none")
    >>> dead = Finding("dead-units", Severity.ERROR, "fc", 1.0, None, 0.0, "all units of fc are dead", "draw them anew")
    >>> assert_survives(AuditReport(model, data, 0, Coverage(0, ()), (), Trend(None, None), (dead,)))
    Traceback (most recent call last):
    AssertionError: signal does not survive a.pt on x:
      dead-units: all units of fc are dead
        -> draw them anew
    """
    report = _report(network, data, options)
    if not report.passed:
        errors = [finding for finding in report.findings if finding.severity is Severity.ERROR]
        raise AssertionError(_message("signal does not survive", report, errors))
    return report


def assert_canonical(
    network: "AuditReport | nn.Module | str | os.PathLike[str]",
    data: "str | torch.Tensor" = "digits",
    *,
    layers: Sequence[str] | None = None,
    tolerance: float = TOLERANCE,
    correlation: float = CORRELATION,
    **options: Any,
) -> AuditReport:
    """Fail unless layers are canonical, as NormProp promises, and return the audit.

    The units of a canonical layer have zero mean, unit variance, and are uncorrelated. A layer fails if, by more than
    five standard errors, the root mean square of its units' means is above `tolerance`, their mean variance is further
    than that from 1, or the root mean square correlation of two of them is above `correlation`. It fails too if an
    audit with the policy `canonical` finds an error there.

    Args:
        network: A report, or what `propstats.audit` takes.
        data: The data, where there is no report yet.
        layers: Names of the layers to look at; by default all layers of weights but the last, whose scale is the
            task's.
        tolerance: How far off means and variances may be.
        correlation: How correlated units may be; by default they may have half of their variance in common.
        **options: More for `propstats.audit`.

    Raises:
        AssertionError: If a layer is not canonical; the message has each of them with its numbers.
        LookupError: If `layers` names one that the audit has not.

    References:
        Arpit et al. 2016, arXiv:1603.01431, section 3.1.

    >>> import torch
    >>> generator = torch.Generator().manual_seed(0)
    >>> layers = torch.nn.Sequential(torch.nn.Identity(), torch.nn.BatchNorm1d(8, affine=False))
    >>> gaussian = torch.randn(256, 8, generator=generator)
    >>> report = assert_canonical(layers, gaussian, layers=["0"], tolerance=0.2)
    >>> report.layers[0].verdict
    'ok'
    """
    if not isinstance(network, AuditReport):
        options = {"policy": Policy.CANONICAL, **options}
    report = _report(network, data, options)
    chosen = _chosen(report, layers)
    off = [text for layer in chosen if (text := _departure(layer, tolerance, correlation))]
    errors = [
        finding
        for finding in report.findings
        if finding.severity is Severity.ERROR and (layers is None or finding.layer is None or finding.layer in layers)
    ]
    if off or errors:
        message = _message("layers are not canonical in", report, errors)
        raise AssertionError("\n".join([message, *off]))
    return report


def _chosen(report: AuditReport, names: Sequence[str] | None) -> list[Layer]:
    if names is None:
        return [layer for layer in report.layers if layer.is_weights][:-1]
    missing = sorted(set(names) - {layer.name for layer in report.layers})
    if missing:
        raise LookupError(f"the audit has no layers {missing}")
    return [layer for layer in report.layers if layer.name in names]


def _departure(layer: Layer, tolerance: float, correlation: float) -> str | None:
    """Say how a layer is not canonical, or return None if it is."""
    forward = layer.forward
    if forward.unit_mean is None or forward.unit_var is None:
        return f"  {layer.name} ({layer.type}): nothing finite"
    mean, variance, together = forward.unit_mean, forward.unit_var, forward.unit_correlation
    said = []
    if not _distance(forward) - STANDARD_ERRORS * mean.error <= tolerance:  # NaN is not canonical either
        said.append(f"mean {mean.value:.3g} +- {mean.error:.1g} instead of 0")
    if not abs(variance.value - 1.0) - STANDARD_ERRORS * variance.error <= tolerance:
        said.append(f"variance {variance.value:.3g} +- {variance.error:.1g} instead of 1")
    # Units of which less than two vary have no correlation.
    if together is not None and not together.value - STANDARD_ERRORS * together.error <= correlation:
        said.append(f"correlation {together.value:.3g} +- {together.error:.1g} instead of at most {correlation:.3g}")
    return f"  {layer.name} ({layer.type}): {', '.join(said)}" if said else None


def _distance(forward: ForwardStatistics) -> float:
    """Return how far the units' means are from zero, less what samples add to a squared mean.

    A mean of `n` samples is off by `variance/n` in the mean square, whatever the truth; of units at several positions,
    whose samples are means themselves, by no more than that.
    """
    mean, variance = forward.unit_mean, forward.unit_var
    assert mean is not None
    assert variance is not None
    square = mean.value**2 - variance.value / mean.samples if mean.samples else mean.value**2
    return math.sqrt(max(square, 0.0)) if not math.isnan(square) else math.nan


def _report(network: Any, data: Any, options: dict[str, Any]) -> AuditReport:
    if isinstance(network, AuditReport):
        if options:
            raise TypeError(f"a report is there already, so {sorted(options)} can change nothing")
        return network
    from propstats.auditing.audit import audit

    return audit(network, data, **options)


def _message(what: str, report: AuditReport, findings: Sequence[Finding]) -> str:
    lines = [f"{what} {report.model.path or 'the network'} on {report.data.name}:"]
    for finding in findings:
        lines += [f"  {finding.rule}: {finding.message}", f"    -> {finding.remedy}"]
    return "\n".join(lines)
