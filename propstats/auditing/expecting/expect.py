"""What theory expects of every measured layer, with the network's real weights."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from torch import nn

from propstats.auditing.expecting.companions import attended_of, measure_positions
from propstats.auditing.expecting.flow import Flow, Network
from propstats.auditing.expecting.leaning import leaning, norms_of
from propstats.auditing.expecting.network import Step, is_shown, place_of_input, steps_of
from propstats.auditing.expecting.rule_graph import graph_of
from propstats.auditing.layer_statistics import Expected
from propstats.auditing.measuring.batches import Batch
from propstats.auditing.measuring.call import INPUT, Call, Maker
from propstats.auditing.measuring.probe import Probe
from propstats.auditing.measuring.statistics import UnitStatistics
from propstats.auditing.measuring.trees import tensors_in
from propstats.rules.attention import AttentionBetween
from propstats.rules.embedding import Embedding
from propstats.signals import Positions, Signal

#: What NormProp promises of every layer: zero mean, unit variance.
CANONICAL = Expected(1.0, 1.0, 1.0, 1.0, 0.0, "canonical", mean=0.0)


@dataclass(frozen=True, slots=True)
class Expectation:
    """What theory says of one call.

    Args:
        reason: Why there is none.
        shown: Whether it is a layer to readers; what only rearranges numbers is not.
        network: What it should carry, given the network's input (or what was measured at the last calls without a
            rule) and a unit gradient at its output.
        one_step: What it should make of its own measured input and output gradient.
        hides: Whether it takes infinite numbers for what they are meant to be: keys that a mask hides from attention.
    """

    reason: str | None
    shown: bool
    network: Expected | None
    one_step: Expected | None
    hides: bool = False


def expect(probe: Probe, model: nn.Module, inputs: Batch) -> list[Expectation]:
    """Return what theory expects of each call of a measured network.

    Weights count by their sizes, not by their directions: theory speaks of random ones. Where a call has no rule, what
    was measured there stands in, and what follows says so.

    Args:
        probe: What was measured.
        model: The network; it runs once more over a batch, for what positions have in common.
        inputs: A batch of the data.
    """
    shape = tuple(tensors_in(inputs)[0].shape[1:])
    calls = probe.calls
    steps, start = steps_of(calls, shape), place_of_input(calls, shape)
    norms, attended = norms_of(steps, calls), attended_of(steps, calls)
    together, inverses = measure_positions(model, inputs, steps, start, norms, attended)
    measured: dict[Maker, Signal | None] = {(INPUT, 0): measured_signal(probe.inputs, together.get((INPUT, 0)))}
    for position, call in enumerate(calls):
        for number, statistics in enumerate(call.outputs):
            measured[position, number] = measured_signal(statistics, together.get((position, number)))
    network = Network(
        calls, steps, graph_of(calls, steps, start), measured, probe.result, leaning(calls, steps, inverses)
    )
    theory = network.through()
    alone = network.one_by_one(theory)
    found = []
    for position, (call, step) in enumerate(zip(calls, steps, strict=True)):
        known = step.rule is not None
        names = tuple(calls[source].label for source in sorted(theory.since[position]))
        found.append(
            Expectation(
                reason=step.reason or _unmeasured(call, step, calls),
                shown=is_shown(step, call),
                network=_expected(call, step, theory, position, names) if known else None,
                one_step=_expected(call, step, alone, position, None) if known else None,
                hides=bool(step.sources),
            )
        )
    return found


def measured_signal(statistics: UnitStatistics, positions: Positions | None = None) -> Signal | None:
    """Return the signal that was measured, or None where it is not finite.

    Args:
        statistics: What was measured.
        positions: What its positions have in common.
    """
    if not statistics.is_finite:
        return None
    q = statistics.q
    error = statistics.pooled_square.error / q if q > 0 else 0.0
    if positions is not None and not math.isfinite(positions.same + positions.other):
        positions = None
    return Signal(float(statistics.unit_means.mean()), q, statistics.var, error, positions)


def _unmeasured(call: Call, step: Step, calls: Sequence[Call]) -> str | None:
    """Say that a rule has nothing to start from, where an input is the same for all of the data, or not by samples."""
    if isinstance(step.rule, Embedding) or (call.module is None and not call.carries_signal):
        return None
    empty = [
        call.sources[slot]
        for slot in step.heard
        if slot < len(call.inputs) and not call.inputs[slot].is_finite and not call.inputs[slot].non_finite
    ]
    if not empty:
        return None
    if any(source >= 0 and not calls[source].is_constant for source in empty):
        return "what it gets has no entry for each sample, as where some of them are picked: nothing is measured of it"
    return "one of its inputs does not depend on the data"


def _expected(call: Call, step: Step, flow: Flow, position: int, since: Sequence[str] | None) -> Expected | None:
    """Return the record of an expectation; `since` is None for a single layer."""
    signal = flow.signals[position]
    if signal is None:
        return None
    given = flow.given[position]
    back = flow.back[position].get(call.main if call.main is not None else 0)
    if isinstance(step.rule, AttentionBetween):
        # What comes back to the queries depends on which tokens are alike, and not on how many: off by a factor of 3.
        back = None
    return Expected(
        q=signal.q,
        var=signal.var,
        gradient_output=None if given is None else given.q,
        gradient_input=None if back is None else back.q,
        error=signal.error,
        given="layer" if since is None else "restart" if since else "network",
        mean=signal.mean,
        gradient_error=None if back is None else back.error,
        since=tuple(since or ()),
    )
