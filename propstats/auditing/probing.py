"""Run data through a network and measure every call of every layer, forwards and backwards, in one pass."""

from collections.abc import Callable, Iterable, Iterator
from itertools import chain, islice

import torch
from torch import nn

from propstats.auditing.expecting.leaning import watch_norms
from propstats.auditing.expecting.network import steps_of
from propstats.auditing.expecting.values import look_at_masks
from propstats.auditing.measuring.batches import Batch, Data, batches_of, samples_in
from propstats.auditing.measuring.call import OUTSIDE
from propstats.auditing.measuring.measure import Measure
from propstats.auditing.measuring.passes import measured_pass, never_called, plain_pass, recorded_pass
from propstats.auditing.measuring.probe import Probe
from propstats.auditing.measuring.running import evaluating
from propstats.auditing.measuring.shares import ALONE, Exchange, Outcome, Share, Totals
from propstats.auditing.measuring.statistics import UnitStatistics
from propstats.auditing.measuring.trees import tensors_in
from propstats.errors import DataError, ModelError, PropstatsError
from propstats.expectation.sampling import block_seed


def probe(
    model: nn.Module,
    inputs: Data,
    *,
    seed: int = 0,
    progress: Callable[[int], None] | None = None,
    exchange: Exchange = ALONE,
) -> Probe:
    """Measure a network on data.

    The model runs in evaluation mode. Backwards, the output is contracted with a random direction `v ~ N(0, 1)` for
    each sample, so that gradients measure the Jacobian of the network and nothing of a loss. The model is left as it
    was. Memory does not grow with the number of samples.

    Args:
        model: The network; the output's first tensor of real numbers counts.
        inputs: The data: a tensor of shape (samples, ...), or what `batches_of` takes.
        seed: Seed of the random directions.
        progress: Called with the number of samples of finished batches.
        exchange: Which batches to run, and how to hear of the others.

    Raises:
        ModelError: If the model has no layers, gives no tensor, or behaves differently when it is watched.
        DataError: If the model refuses the data; the message names the layer.
    """
    arriving = iter(batches_of(inputs))
    first = next(arriving, None)
    if first is None:
        raise DataError("there are no data", "the first axis counts samples")
    with evaluating(model):
        plain = plain_pass(model, first)
        statistics = [UnitStatistics() for _ in tensors_in(first)]
        recorder, calls, maker = recorded_pass(model, first, statistics)
        if not calls:
            raise ModelError("the model has no layers")
        look_at_masks(model, first, calls)
        steps = steps_of(calls, tensors_in(first)[0].shape[1:])
        watch_norms(steps, calls)
        for call, step in zip(calls, steps, strict=True):
            call.obey(step.rule_of_units, step.reason)
        measure = Measure(calls, maker)
        recorder.observer = measure
        totals = Totals(calls, statistics)

        def run(batch: Batch, number: int, start: int) -> Share:
            for tensors, into in zip(tensors_in(batch), statistics, strict=True):
                into.add(tensors, start=start)
            measure.begin(start)
            output = measured_pass(recorder, measure, batch, block_seed(seed, number))
            # Watching must not change what is watched.
            if number == 0 and not torch.allclose(plain, output, rtol=1e-3, atol=1e-5, equal_nan=True):
                raise ModelError("the model's output changes from run to run", "audit a deterministic model")
            return totals.take(samples_in(batch))

        start = 0
        for numbered in _rounds(enumerate(chain([first], arriving)), exchange.world):
            mine: Outcome = None
            for number, batch in numbered:
                if number % exchange.world == exchange.rank:
                    mine = _outcome(run, batch, number, start)
                start += samples_in(batch)
            if exchange.rank >= len(numbered):
                # Layers that are split among processes (FSDP) need all of them to run: once more, for nothing.
                _outcome(run, numbered[-1][1], numbered[-1][0], 0)
            samples = totals.add(exchange(mine))
            if progress is not None:
                progress(samples)
        totals.settle()
    result = maker[0] if maker[0] >= 0 else OUTSIDE
    return Probe(calls, statistics[0], never_called(recorder), result, statistics, totals.samples)


def _rounds(numbered: Iterable[tuple[int, Batch]], world: int) -> Iterator[list[tuple[int, Batch]]]:
    """Yield batches with their numbers, one for each process."""
    following = iter(numbered)
    while held := list(islice(following, world)):
        yield held


def _outcome(run: Callable[[Batch, int, int], Share], batch: Batch, number: int, start: int) -> Outcome:
    try:
        return run(batch, number, start)
    except PropstatsError as error:  # the other processes have to know, or they would wait forever
        return error
