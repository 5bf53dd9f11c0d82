"""What a test may ask of a network."""

import math
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from propstats.auditing.records import AuditReport, Finding, Layer, Severity
from propstats.estimate import STANDARD_ERRORS

if TYPE_CHECKING:
    import torch
    from torch import nn

#: How far from 0 a canonical layer's mean, and from 1 its variance, may be, beyond what the data leave open.
TOLERANCE = 0.1


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

    >>> from propstats.auditing.records import Coverage, DataInfo, ModelInfo, Trend
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
    **options: Any,
) -> AuditReport:
    """Fail unless layers pass on zero mean and unit variance, as NormProp promises, and return the audit.

    A layer fails if its mean over units and data is further than `tolerance` from 0, or its variance further than that
    from 1, by more than five standard errors; and so does a network of which an error was found.

    Args:
        network: A report, or what `propstats.audit` takes.
        data: The data, where there is no report yet.
        layers: Names of the layers to look at; by default all layers of weights but the last, whose scale is the
            task's.
        tolerance: How far off a layer may be.
        **options: More for `propstats.audit`.

    Raises:
        AssertionError: If a layer is not canonical; the message has each of them with its numbers.
        LookupError: If `layers` names one that the audit has not.

    >>> import torch
    >>> generator = torch.Generator().manual_seed(0)
    >>> layers = torch.nn.Sequential(torch.nn.Identity(), torch.nn.BatchNorm1d(8, affine=False))
    >>> gaussian = torch.randn(256, 8, generator=generator)
    >>> report = assert_canonical(layers, gaussian, layers=["0"], tolerance=0.2)
    >>> report.layers[0].verdict
    'ok'
    """
    report = _report(network, data, options)
    off = [text for layer in _chosen(report, layers) if (text := _departure(layer, tolerance))]
    errors = [finding for finding in report.findings if finding.severity is Severity.ERROR]
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


def _departure(layer: Layer, tolerance: float) -> str | None:
    """Say how a layer is not canonical, or return None if it is."""
    mean, q = layer.forward.mean, layer.forward.q
    variance = q.value - mean.value**2
    # The error of mean^2 adds to that of q; together they are at most this.
    error = math.hypot(q.error, 2.0 * abs(mean.value) * mean.error)
    said = []
    for what, gap, spread in (("mean", mean.value, mean.error), ("variance", variance - 1.0, error)):
        if not abs(gap) - STANDARD_ERRORS * spread <= tolerance:  # NaN is not canonical either
            shown = gap + (what == "variance")
            said.append(f"{what} {shown:.3g} +- {spread:.1g} instead of {int(what == 'variance')}")
    return f"  {layer.name} ({layer.type}): {', '.join(said)}" if said else None


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
