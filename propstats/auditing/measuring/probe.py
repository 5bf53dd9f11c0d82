"""Run data through a network and measure every call of every layer, forwards and backwards, in one pass."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice

import torch
from torch import nn

from propstats.auditing.expecting.leaning import watch_norms
from propstats.auditing.expecting.network import steps_of
from propstats.auditing.expecting.values import look_at_masks
from propstats.auditing.measuring.batches import Batch, Data, arguments, batches_of, part, samples_in
from propstats.auditing.measuring.call import OUTSIDE, Call
from propstats.auditing.measuring.leaves import is_leaf
from propstats.auditing.measuring.measure import Measure
from propstats.auditing.measuring.recorder import Observer, Recorder
from propstats.auditing.measuring.running import evaluating, first_tensor, refusals_named
from propstats.auditing.measuring.shares import ALONE, Exchange, Outcome, Share, Totals
from propstats.auditing.measuring.statistics import UnitStatistics
from propstats.auditing.measuring.structure import Shapes, Structure
from propstats.auditing.measuring.trees import tensors_in
from propstats.errors import DataError, ModelError, PropstatsError
from propstats.expectation.sampling import block_seed


@dataclass(frozen=True, slots=True)
class Probe:
    """Everything that was measured.

    Args:
        calls: All calls, in order.
        inputs: Statistics of the data: of the first tensor.
        never_called: Names of layers that the forward pass does not use as modules.
        result: Position of the call that made the network's output, `OUTSIDE` if that is unknown.
        all_inputs: Statistics of each tensor of the data.
        samples: How many samples ran.
    """

    calls: Sequence[Call]
    inputs: UnitStatistics
    never_called: tuple[str, ...]
    result: int
    all_inputs: Sequence[UnitStatistics] = ()
    samples: int = 0


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
        plain = _plain(model, first)
        statistics = [UnitStatistics() for _ in tensors_in(first)]
        recorder, made = _recorded(model, first, statistics)
        calls = recorder.observer.calls if isinstance(recorder.observer, Structure) else []
        if not calls:
            raise ModelError("the model has no layers")
        look_at_masks(model, first, calls)
        steps = steps_of(calls, tensors_in(first)[0].shape[1:])
        watch_norms(steps, calls)
        for call, step in zip(calls, steps, strict=True):
            call.obey(step.rule_of_units, step.reason)
        measure = Measure(calls, made)
        recorder.observer = measure
        totals = Totals(calls, statistics)

        def run(batch: Batch, number: int, start: int) -> Share:
            for tensors, into in zip(tensors_in(batch), statistics, strict=True):
                into.add(tensors, start=start)
            measure.begin(start)
            output = _step(recorder, measure, batch, block_seed(seed, number))
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
    result = made[0] if made[0] >= 0 else OUTSIDE
    return Probe(calls, statistics[0], _never_called(recorder), result, statistics, totals.samples)


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


def _plain(model: nn.Module, batch: Batch) -> torch.Tensor:
    """Run the model once without watching it; its refusal names the layer."""
    args, kwargs = arguments(batch)
    with torch.no_grad(), refusals_named(model, tensors_in(batch)[0]):
        return first_tensor(model(*args, **kwargs))


def _recorded(model: nn.Module, batch: Batch, statistics: Sequence[UnitStatistics]) -> tuple[Recorder, tuple[int, int]]:
    """Find out which calls the model makes, and which of them gives its output."""
    whole = samples_in(batch)
    try:
        return _recorded_with(model, batch, statistics, (2, 3))
    except DataError:  # it takes batches of one size only: the whole one has passed
        return _recorded_with(model, batch, statistics, (whole, whole))


def _recorded_with(
    model: nn.Module, batch: Batch, statistics: Sequence[UnitStatistics], sizes: tuple[int, int]
) -> tuple[Recorder, tuple[int, int]]:
    shapes = Shapes(sizes[0])
    recorder = Recorder(model, shapes)
    output = torch.empty(0)
    with torch.no_grad():
        observers: tuple[Observer, Observer] = (shapes, Structure(sizes[1], shapes, statistics))
        for observer, samples in zip(observers, sizes, strict=True):
            few = part(batch, torch.arange(samples) % samples_in(batch))
            recorder.observer = observer
            args, kwargs = arguments(few)
            tensors = tensors_in(few)
            with refusals_named(model, tensors[0]), recorder.recording(tensors):
                output = first_tensor(model(*args, **kwargs))
    made = recorder.origins.of(output)
    return recorder, (made.position, made.output)


def _step(recorder: Recorder, measure: Measure, batch: Batch, seed: int) -> torch.Tensor:
    """Send one batch forwards and backwards."""
    leaves: list[torch.Tensor] = []

    def watched(tensor: torch.Tensor) -> torch.Tensor:
        if not tensor.is_floating_point():
            return tensor
        leaves.append(tensor.detach().view_as(tensor).requires_grad_())
        return leaves[-1].clone()  # which modules may change in place

    args, kwargs = arguments(batch)
    args, kwargs = tuple(map(watched, args)), {name: watched(tensor) for name, tensor in kwargs.items()}
    tensors = tensors_in((args, kwargs))
    with torch.enable_grad(), refusals_named(recorder.model, tensors[0]), recorder.recording(tensors):
        output = first_tensor(recorder.model(*args, **kwargs))
        measure.end(recorder.position)
    generator = torch.Generator().manual_seed(seed)
    direction = torch.randn(output.shape, generator=generator, dtype=output.dtype)
    targets = leaves + measure.roots
    if output.requires_grad and targets:
        try:
            torch.autograd.grad(output, targets, direction, allow_unused=True)
        except RuntimeError as error:
            raise ModelError(f"the backward pass fails: {str(error).splitlines()[0]}") from None
    return output.detach()


def _never_called(recorder: Recorder) -> tuple[str, ...]:
    """Return the layers with parameters that were not called, nor their parameters used by a function."""
    layers = [module for module in recorder.entered if is_leaf(module)]
    called = recorder.entered.union(*(module.modules() for module in layers))
    missed = []
    for name, module in recorder.model.named_modules():
        parameters = list(module.parameters(recurse=False))
        if parameters and module not in called and recorder.used.isdisjoint(parameters):
            missed.append(name or "model")
    return tuple(missed)
