"""Single passes of a batch through a network: unwatched, to learn its calls, and to measure them."""

from collections.abc import Sequence

import torch
from torch import nn

from propstats.auditing.measuring.batches import Batch, arguments, part, samples_in
from propstats.auditing.measuring.call import Call, Maker
from propstats.auditing.measuring.leaves import is_leaf
from propstats.auditing.measuring.measure import Measure
from propstats.auditing.measuring.recorder import Observer, Recorder
from propstats.auditing.measuring.running import first_tensor, refusals_named
from propstats.auditing.measuring.statistics import UnitStatistics
from propstats.auditing.measuring.structure import Shapes, Structure
from propstats.auditing.measuring.trees import tensors_in
from propstats.errors import DataError, ModelError
from propstats.text import reason_of


def plain_pass(model: nn.Module, batch: Batch) -> torch.Tensor:
    """Run the model once without watching it; its refusal names the layer."""
    args, kwargs = arguments(batch)
    with torch.no_grad(), refusals_named(model, tensors_in(batch)[0]):
        return first_tensor(model(*args, **kwargs))


def recorded_pass(
    model: nn.Module, batch: Batch, statistics: Sequence[UnitStatistics]
) -> tuple[Recorder, list[Call], Maker]:
    """Find out which calls the model makes, and which of them gives its output.

    Args:
        model: The network.
        batch: Data; a few samples of it run.
        statistics: Those of each tensor of the data, for the calls that take it.

    Returns:
        What can watch these calls; the calls; and who made the output.

    Raises:
        DataError: If the model refuses the data; the message names the layer.
        ModelError: If it does something else for other samples.
    """
    whole = samples_in(batch)
    try:
        return _recorded_with(model, batch, statistics, (2, 3))
    except DataError:  # it takes batches of one size only: the whole one has passed
        return _recorded_with(model, batch, statistics, (whole, whole))


def _recorded_with(
    model: nn.Module, batch: Batch, statistics: Sequence[UnitStatistics], sizes: tuple[int, int]
) -> tuple[Recorder, list[Call], Maker]:
    shapes = Shapes(sizes[0])
    structure = Structure(sizes[1], shapes, statistics)
    recorder = Recorder(model, shapes)
    output = torch.empty(0)
    with torch.no_grad():
        observers: tuple[Observer, Observer] = (shapes, structure)
        for observer, samples in zip(observers, sizes, strict=True):
            few = part(batch, torch.arange(samples) % samples_in(batch))
            recorder.observer = observer
            args, kwargs = arguments(few)
            tensors = tensors_in(few)
            with refusals_named(model, tensors[0]), recorder.recording(tensors):
                output = first_tensor(model(*args, **kwargs))
    origin = recorder.origins.of(output)
    return recorder, structure.calls, (origin.position, origin.output)


def measured_pass(recorder: Recorder, measure: Measure, batch: Batch, seed: int) -> torch.Tensor:
    """Send one batch forwards and backwards.

    Args:
        recorder: What watches the network's calls, for `measure`.
        measure: What is told of them.
        batch: The data.
        seed: Seed of the direction that the output is contracted with.

    Returns:
        The output, without its graph.

    Raises:
        DataError: If the model refuses the data; the message names the layer.
        ModelError: If its calls are not those that were recorded, or gradients cannot pass.
    """
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
            raise ModelError(f"the backward pass fails: {reason_of(error)}") from None
    return output.detach()


def never_called(recorder: Recorder) -> tuple[str, ...]:
    """Return the layers with parameters that were not called, nor their parameters used by a function."""
    layers = [module for module in recorder.entered if is_leaf(module)]
    called = recorder.entered.union(*(module.modules() for module in layers))
    missed = []
    for name, module in recorder.model.named_modules():
        parameters = list(module.parameters(recurse=False))
        if parameters and module not in called and recorder.used.isdisjoint(parameters):
            missed.append(name or "model")
    return tuple(missed)
