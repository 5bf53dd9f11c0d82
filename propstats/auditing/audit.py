"""Audit a network on data: measure every layer, put theory beside it, and judge."""

import math
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from propstats.auditing.data.find import Places
from propstats.auditing.data.load import DEFAULT_SAMPLES
from propstats.auditing.expecting.expect import Expectation, expect
from propstats.auditing.judging.closer import SAMPLES, Closer
from propstats.auditing.judging.judge import Evidence, departs, judge, policy_named
from propstats.auditing.judging.trend import trend
from propstats.auditing.layer_statistics import BackwardStatistics, ForwardStatistics
from propstats.auditing.loading.access import SAFE, Access
from propstats.auditing.measuring.batch_norm import running_gap
from propstats.auditing.measuring.call import Call
from propstats.auditing.measuring.probe import Probe
from propstats.auditing.measuring.statistics import SquareMean
from propstats.auditing.measuring.unit_record import sign_agreement, with_units
from propstats.auditing.records import AuditReport, Coverage, Layer, LayerVerdict, Policy, Skipped
from propstats.auditing.subject import load_subject
from propstats.auditing.together import probe_together
from propstats.errors import DataError
from propstats.estimate import Estimate, Route
from propstats.nn.normprop import NormProp
from propstats.rules.dense import Weights


def audit(
    model: str | os.PathLike[str] | nn.Module,
    data: Any = "digits",
    *,
    access: Access = SAFE,
    normalize: str | None = None,
    samples: int | None = DEFAULT_SAMPLES,
    places: Places | None = None,
    seed: int = 0,
    policy: str = Policy.SIGNAL,
    progress: Callable[[int, int], None] | None = None,
) -> AuditReport:
    """Say whether signal survives a network, forwards and backwards, and if not, where it dies and what to change.

    Real data run through the network in evaluation mode; backwards, random directions at the output are propagated.
    Each layer's statistics stand beside what theory expects of random weights of the same size, from the network's
    input on and from the layer's own input.

    Args:
        model: A file (a pickled module of torch.nn classes, a state_dict or safetensors), a folder of such, or a
            module, which is left as it was, and of which a copy on the CPU is measured if it is on another device.
            Nothing in a file is executed unless `access` says so.
        data: A name, file or factory that `propstats.auditing.data.load.load_data` knows, a tensor of shape
            (samples, ...), a torch DataLoader, or an iterable of batches.
        access: What is permitted when a file is loaded, and what its weights belong to.
        normalize: `none`, `global`, `feature` or `batch`; by default what the data set is used with.
        samples: How many samples to use, chosen at random (of a stream, the first ones); None for all.
        places: Where data sets with a name are kept, and whether they may be downloaded.
        seed: Seed of the random directions, and of the choice of samples.
        policy: What is asked: `signal`, whether signal survives; `canonical`, whether every layer has zero mean, unit
            variance and uncorrelated units, as NormProp promises.
        progress: Called with the number of samples that are done and that there are.

    Raises:
        UnknownNameError: If the policy is not known.
        ModelError: If the model cannot be loaded or run.
        DataError: If the data cannot be loaded, or the model refuses them; the message names the layer.

    >>> import torch
    >>> generator = torch.manual_seed(0)
    >>> report = audit(nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2)), torch.randn(64, 4))
    >>> report.passed, report.coverage.analysed
    (True, 3)
    """
    asked = policy_named(policy)
    subject = load_subject(model, data, access=access, normalize=normalize, samples=samples, seed=seed, places=places)
    total, done = subject.dataset.samples, 0

    def advance(samples: int) -> None:
        nonlocal done
        done += samples
        if progress is not None:
            progress(done, total or done)

    measured = probe_together(subject.network, subject.dataset, seed=seed, progress=advance)
    if measured.samples < 2:
        raise DataError("one sample has no variance over the data", "audit with at least 2 samples, better hundreds")
    some = next(subject.dataset.batches(SAMPLES))
    expectations = expect(measured, subject.network, some)
    layers = _layers(measured, expectations, _fixed(subject.network))
    slope = trend(layers, measured.calls, measured.result)
    shaped = some.reshape(-1, *subject.data.shape) if isinstance(some, torch.Tensor) else None
    look = Closer(subject.network, some)
    findings = judge(Evidence(measured.calls, layers, slope, measured, subject.network, shaped, look), asked)
    skipped = [
        Skipped(call.label, expectation.reason)
        for call, expectation in zip(measured.calls, expectations, strict=True)
        if expectation.reason
    ]
    skipped += [Skipped(name, "the forward pass never calls it as a module") for name in measured.never_called]
    analysed = sum(layer.one_step is not None for layer in layers)
    return AuditReport(
        model=subject.model,
        data=replace(subject.data, samples=measured.samples),
        seed=seed,
        coverage=Coverage(analysed, tuple(skipped)),
        layers=layers,
        trend=slope,
        findings=findings,
    )


def _fixed(network: nn.Module) -> set[int]:
    """Return where the buffers of a network are stored: what multiplies by them has no weights to learn."""
    return {buffer.untyped_storage().data_ptr() for buffer in network.buffers()}


def _has_weights(call: Call, fixed: set[int]) -> bool:
    if isinstance(call.module, NormProp):
        return True
    given = call.values.values() if call.module is None else ()
    return isinstance(call.rule, Weights) and not any(t.untyped_storage().data_ptr() in fixed for t in given)


def _layers(measured: Probe, expectations: Sequence[Expectation], fixed: set[int]) -> list[Layer]:
    """Return the calls that count as layers: functions do that have a rule and do more than rearrange numbers."""
    return [
        _layer(call, expectation, _has_weights(call, fixed))
        for call, expectation in zip(measured.calls, expectations, strict=True)
        if expectation.shown
    ]


def _layer(call: Call, expectation: Expectation, is_weights: bool) -> Layer:
    forward, rule, step = _forward(call), call.rule, expectation.one_step
    bad = forward.non_finite + call.gradient_input.non_finite + call.gradient_output.non_finite
    back = _estimate(call.gradient_input)
    verdict: LayerVerdict = "ok"
    if bad or (call.input.non_finite and not expectation.hides):
        verdict = "non-finite"
    elif step is None:
        verdict = "no expectation"
    else:
        pairs = [(forward.q, step.q, step.error)]
        if back is not None and step.gradient_input is not None:
            pairs.append((back, step.gradient_input, step.gradient_error or 0.0))
        if any(_departs(measured, expected, error) for measured, expected, error in pairs):
            verdict = "departs"
    return Layer(
        name=call.name,
        call=call.index,
        type=call.kind,
        shape=call.shape,
        is_weights=is_weights,
        sigma_w=rule.sigma_w if isinstance(rule, Weights) else None,
        forward=forward,
        backward=BackwardStatistics(
            _estimate(call.gradient_output),
            back,
            call.gradient_input.non_finite + call.gradient_output.non_finite,
            sign_agreement(call),
        ),
        expected=expectation.network,
        one_step=step,
        verdict=verdict,
        reason=expectation.reason,
        running=running_gap(call),
    )


def _departs(measured: Estimate, expected: float, error: float) -> bool:
    own = measured.error / measured.value if measured.value > 0 else 0.0
    return departs(measured.value, expected, math.hypot(error, own))


def _forward(call: Call) -> ForwardStatistics:
    out = call.output
    n = out.pooled_mean.count or None
    if not out.is_finite:
        undefined = Estimate(math.nan, math.inf, Route.MEASURED, n)
        return ForwardStatistics(undefined, undefined, undefined, math.nan, None, None, out.non_finite)
    q, var = out.q, out.var
    record = ForwardStatistics(
        mean=Estimate(float(out.unit_means.mean()), out.pooled_mean.error, Route.MEASURED, n),
        q=Estimate(q, out.pooled_square.error, Route.MEASURED, n),
        var=Estimate(var, out.pooled_spread.error, Route.MEASURED, n),
        c=1.0 - var / q if q > 0 else 1.0,
        dead=1.0 - float(call.alive.double().mean()) if call.alive is not None else None,
        saturated=call.flat / call.input.numbers if call.saturates and call.input.numbers else None,
        non_finite=0,
    )
    return with_units(record, out)


def _estimate(gradient: SquareMean) -> Estimate | None:
    if not gradient.is_measured:
        return None
    return Estimate(gradient.running.mean, gradient.running.error, Route.MEASURED, gradient.running.count)
