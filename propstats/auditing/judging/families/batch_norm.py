"""Batch norm that uses statistics of other data than it sees."""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import nn

from propstats.auditing.judging.evidence import Evidence
from propstats.auditing.judging.limits import DEPARTURE
from propstats.auditing.judging.rule import ALWAYS, Family, FindingRule
from propstats.auditing.judging.simultaneous import Measured, above, interval
from propstats.auditing.measuring.call import Call
from propstats.auditing.measuring.running import evaluating
from propstats.auditing.records import Finding, Severity

_SAMPLES = 256
_NORMS = nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d
_IOFFE = "Ioffe & Szegedy 2015, arXiv:1502.03167, section 3.1"

STALE = FindingRule(
    "stale-batch-norm",
    "running statistics that are not those of the data",
    "at test time a batch norm divides by its running variance and subtracts its running mean: where they belong to "
    "other data, or were never updated, its output is not normalised",
    f"exp mean |log((v + (m - m_run)^2)/v_run)| over channels, which is 1 for the data it was made for, is above "
    f"{DEPARTURE:g}: a channel's second moment is off by half or by double",
    _IOFFE,
    "the relative standard error of the second moment of what arrives, from samples; simultaneous for all batch norms",
)
GAP = FindingRule(
    "train-eval-gap",
    "the network answers otherwise in training mode",
    "with the statistics of the batch instead of the running ones the output changes by more than it differs between "
    "inputs: what was trained is not what is used",
    "the mean squared change is above the output's variance over the data: the mode matters more than the input",
    _IOFFE,
    "one batch of at most 256 samples, the standard error over its samples; dropout stays off",
)


def _stale(calls: Sequence[Call]) -> Iterator[Finding]:
    measured = []
    for call in calls:
        if isinstance(call.module, _NORMS) and call.input.is_finite:
            factor = _departure(call.module, call)
            if factor is not None:
                relative = call.input.pooled_square.error / call.input.q if call.input.q > 0 else 0.0
                measured.append(Measured(call.name, factor, relative))
    for found in above(measured, math.log(DEPARTURE)):
        low, high = (math.exp(end) for end in found.interval)
        yield STALE.finding(
            Severity.WARNING,
            found.layer,
            math.exp(found.value),
            f"the second moments of what arrives at {found.layer} are off its running statistics by "
            f"x{math.exp(found.value):.3g}, in the (geometric) mean over channels",
            "run data through it in training mode to renew its running statistics: then theory expects x1",
            interval=(low, high),
            expected=1.0,
            predicted=1.0,
        )


def _departure(norm: _NORMS, call: Call) -> float | None:
    """Return the mean |log| of the second moment about the running mean, by the running variance."""
    if norm.running_mean is None or norm.running_var is None:
        return None
    count = norm.num_features
    means = call.input.unit_means.reshape(count, -1)
    variances = call.input.unit_variances.reshape(count, -1)
    running_mean, running_var = norm.running_mean.double(), norm.running_var.double()
    second = (variances + (means - running_mean[:, None]).square()).mean(dim=1)
    live = (second > 0.0) | (running_var > norm.eps)  # a channel that is dead in both says nothing
    ratios = ((second + norm.eps) / (running_var + norm.eps))[live]
    return float(ratios.log().abs().mean()) if len(ratios) else None


def _gap(evidence: Evidence) -> Iterator[Finding]:
    network, data = evidence.network, evidence.data
    norms = [c.module for c in evidence.calls if isinstance(c.module, _NORMS) and c.module.running_mean is not None]
    if network is None or data is None or not norms or not evidence.probe.inputs.is_finite:
        return
    # Evenly from all of the data, which may be sorted.
    batch = data[:: max(1, len(data) // _SAMPLES)][:_SAMPLES]
    with evaluating(network), torch.no_grad():
        usual = network(batch.clone())
        with _on_the_batch(norms):
            trained = network(batch.clone())
    if not isinstance(usual, torch.Tensor) or not isinstance(trained, torch.Tensor):
        return
    usual, trained = usual.double().flatten(1), trained.double().flatten(1)
    change = (trained - usual).square().mean(dim=1)
    spread = (usual - usual.mean(dim=0)).square().mean(dim=1)
    if not bool(torch.isfinite(change).all() & torch.isfinite(spread).all()) or float(spread.mean()) == 0.0:
        return
    value = float(change.mean() / spread.mean())
    influence = (change - value * spread) / spread.mean()
    low, high = interval(value, float(influence.std()) / math.sqrt(len(batch)), 1)
    if low > 1.0:
        yield GAP.finding(
            Severity.WARNING,
            None,
            value,
            f"in training mode the output changes by {math.sqrt(value):.3g} times its standard deviation over the data",
            "renew the running statistics: run the data through the network in training mode",
            interval=(low, high),
            expected=0.0,
            predicted=0.0,
        )


@contextmanager
def _on_the_batch(norms: Sequence[nn.Module]) -> Iterator[None]:
    """Let batch norms use the batch's statistics, and leave their running ones as they were."""
    before = [(module, {name: buffer.clone() for name, buffer in module.named_buffers()}) for module in norms]
    try:
        for module in norms:
            module.train()
        yield
    finally:
        for module, buffers in before:
            module.eval()
            for name, value in buffers.items():
                module.get_buffer(name).copy_(value)


def _check(evidence: Evidence) -> Iterator[Finding]:
    yield from _stale(evidence.calls)
    yield from _gap(evidence)


FAMILY = Family((STALE, GAP), _check, ALWAYS)
