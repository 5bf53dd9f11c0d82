"""Audit a network on data: measure every layer, put theory beside it, and judge."""

import math
import os
from collections.abc import Callable

import torch
from torch import nn

from propstats.auditing.expecting.expect import from_network, one_step
from propstats.auditing.judging.closer import Closer
from propstats.auditing.judging.judge import Evidence, departs, judge, policy_named
from propstats.auditing.judging.trend import trend
from propstats.auditing.measuring.batch_norm import running_gap
from propstats.auditing.measuring.call import Call
from propstats.auditing.measuring.probe import Probe
from propstats.auditing.measuring.statistics import SquareMean
from propstats.auditing.measuring.together import probe_together
from propstats.auditing.measuring.unit_record import sign_agreement, with_units
from propstats.auditing.records import (
    AuditReport,
    BackwardStatistics,
    Coverage,
    Expected,
    ForwardStatistics,
    Layer,
    LayerVerdict,
    Policy,
    Skipped,
)
from propstats.auditing.subject import load_subject
from propstats.estimate import Estimate, Route
from propstats.rules.dense import Weights


def audit(
    model: str | os.PathLike[str] | nn.Module,
    data: str | torch.Tensor = "digits",
    *,
    arch: str | None = None,
    normalize: str | None = None,
    seed: int = 0,
    policy: str = Policy.SIGNAL,
    progress: Callable[[int, int], None] | None = None,
) -> AuditReport:
    """Say whether signal survives a network, forwards and backwards, and if not, where it dies and what to change.

    Real data run through the network in evaluation mode; backwards, random directions at the output are propagated.
    Each layer's statistics stand beside what theory expects of random weights of the same size, from the network's
    input on and from the layer's own input.

    Args:
        model: A file (a pickled module of torch.nn classes, a state_dict or safetensors), or a module. Nothing in a
            file is executed. A module is left as it was.
        data: A name or a file that `propstats.auditing.data.load.load_data` knows, or a tensor of shape (samples, ...).
        arch: `package.module:factory`, which builds the network that the weights belong to.
        normalize: `none`, `global` or `feature`; by default what the data set is used with.
        seed: Seed of the random directions.
        policy: What is asked: `signal`, whether signal survives; `canonical`, whether every layer has zero mean, unit
            variance and uncorrelated units, as NormProp promises.
        progress: Called with the number of samples that are done and that there are.

    Raises:
        UnknownNameError: If the policy is not known.
        ModelError: If the model cannot be loaded or run.
        DataError: If the data cannot be loaded, or the model refuses them; the message names the layer.

    >>> from torch import nn
    >>> generator = torch.manual_seed(0)
    >>> report = audit(nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2)), torch.randn(64, 4))
    >>> report.passed, report.coverage.analysed
    (True, 3)
    """
    asked = policy_named(policy)
    subject = load_subject(model, data, arch=arch, normalize=normalize)
    network, inputs = subject.network, subject.inputs
    total, done = len(inputs), 0

    def advance(samples: int) -> None:
        nonlocal done
        done += samples
        if progress is not None:
            progress(done, total)

    measured = probe_together(network, inputs, seed=seed, progress=advance)
    layers = _layers(measured)
    slope = trend(layers)
    look = Closer(network, inputs)
    shaped = inputs.reshape(-1, *subject.data.shape)
    findings = judge(Evidence(measured.calls, layers, slope, measured, network, shaped, look), asked)
    skipped = [Skipped(_label(c), c.reason) for c in measured.calls if c.reason and _is_layer(c)]
    skipped += [Skipped(name, "the forward pass never calls it as a module") for name in measured.never_called]
    analysed = sum(layer.one_step is not None for layer in layers)
    return AuditReport(
        model=subject.model,
        data=subject.data,
        seed=seed,
        coverage=Coverage(analysed, tuple(skipped)),
        layers=layers,
        trend=slope,
        findings=findings,
    )


def _label(call: Call) -> str:
    return call.name if call.index == 0 else f"{call.name} (call {call.index})"


def _layers(measured: Probe) -> list[Layer]:
    return [
        _layer(call, expected, one_step(call))
        for call, expected in zip(measured.calls, from_network(measured), strict=True)
        if _is_layer(call)
    ]


def _is_layer(call: Call) -> bool:
    """Whether a call is shown: functions are once they have a rule."""
    return call.module is not None or call.rule is not None


def _layer(call: Call, expected: Expected | None, step: Expected | None) -> Layer:
    forward = _forward(call)
    bad = forward.non_finite + call.gradient_input.non_finite + call.gradient_output.non_finite
    back = _estimate(call.gradient_input)
    verdict: LayerVerdict = "ok"
    if bad or call.input.non_finite:
        verdict = "non-finite"
    elif step is None:
        verdict = "no expectation"
    else:
        error = math.hypot(step.error, forward.q.error / forward.q.value if forward.q.value > 0 else 0.0)
        pairs = [(forward.q.value, step.q)]
        if back is not None and step.gradient_input is not None:
            pairs.append((back.value, step.gradient_input))
        if any(departs(value, expectation, error) for value, expectation in pairs):
            verdict = "departs"
    return Layer(
        name=call.name,
        call=call.index,
        type=call.kind,
        shape=call.shape,
        is_weights=isinstance(call.rule, Weights),
        sigma_w=call.rule.sigma_w if isinstance(call.rule, Weights) else None,
        forward=forward,
        backward=BackwardStatistics(
            _estimate(call.gradient_output),
            back,
            call.gradient_input.non_finite + call.gradient_output.non_finite,
            sign_agreement(call),
        ),
        expected=expected,
        one_step=step,
        verdict=verdict,
        reason=call.reason,
        running=running_gap(call),
    )


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
