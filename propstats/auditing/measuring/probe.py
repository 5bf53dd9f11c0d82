"""Run data through a network and measure every call of every layer, forwards and backwards, in one pass."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from propstats.auditing.measuring.call import OUTSIDE, Call
from propstats.auditing.measuring.leaves import is_leaf
from propstats.auditing.measuring.measure import Measure
from propstats.auditing.measuring.recorder import Recorder
from propstats.auditing.measuring.running import evaluating, first_tensor, refusals_named
from propstats.auditing.measuring.statistics import UnitStatistics
from propstats.auditing.measuring.structure import Structure
from propstats.errors import ModelError
from propstats.expectation.sampling import block_seed

#: Samples per batch. It is part of the result: the random directions of the backward pass are drawn batch by batch.
BATCH = 256


@dataclass(frozen=True, slots=True)
class Probe:
    """Everything that was measured.

    Args:
        calls: All calls, in order.
        inputs: Statistics of the data.
        never_called: Names of layers that the forward pass does not use as modules.
        result: Position of the call that made the network's output, `OUTSIDE` if that is unknown.
    """

    calls: Sequence[Call]
    inputs: UnitStatistics
    never_called: tuple[str, ...]
    result: int


def probe(
    model: nn.Module, inputs: torch.Tensor, *, seed: int = 0, progress: Callable[[int], None] | None = None
) -> Probe:
    """Measure a network on data.

    The model runs in evaluation mode. Backwards, the output is contracted with a random direction `v ~ N(0, 1)` for
    each sample, so that gradients measure the Jacobian of the network and nothing of a loss. The model is left as it
    was.

    Args:
        model: The network; one tensor in, one tensor (or a structure whose first tensor counts) out.
        inputs: The data, shape (samples, ...).
        seed: Seed of the random directions.
        progress: Called with the number of samples of each finished batch.

    Raises:
        ModelError: If the model has no layers, gives no tensor, or behaves differently when it is watched.
        DataError: If the model refuses the data; the message names the layer.
    """
    statistics = UnitStatistics()
    with evaluating(model):
        first = inputs[:BATCH]
        with torch.no_grad():
            plain = _forward(model, first)
            structure = Structure(len(first), [statistics])
            recorder = Recorder(model, structure)
            with recorder.recording([first]):
                output = first_tensor(model(first))
            made = recorder.origins.of(output)
        calls = structure.calls
        if not calls:
            raise ModelError("the model has no layers")
        measure = Measure(calls, (made.position, made.output))
        recorder.observer = measure
        for batch, start in enumerate(range(0, len(inputs), BATCH)):
            chunk = inputs[start : start + BATCH]
            statistics.add(chunk)
            output = _step(recorder, measure, chunk, block_seed(seed, batch))
            # Watching must not change what is watched.
            if batch == 0 and not torch.allclose(plain, output, rtol=1e-3, atol=1e-5, equal_nan=True):
                raise ModelError("the model's output changes from run to run", "audit a deterministic model")
            if progress is not None:
                progress(len(chunk))
    return Probe(calls, statistics, _never_called(recorder), made.position if made.position >= 0 else OUTSIDE)


def _step(recorder: Recorder, measure: Measure, chunk: torch.Tensor, seed: int) -> torch.Tensor:
    """Send one batch forwards and backwards."""
    leaf = chunk.detach()
    if leaf.is_floating_point():
        leaf = leaf.view_as(leaf).requires_grad_()
    x = leaf.clone()  # which modules may change in place
    measure.start(len(chunk))
    with torch.enable_grad(), recorder.recording([x]):
        output = _forward(recorder.model, x)
        measure.finish(recorder.position)
    generator = torch.Generator().manual_seed(seed)
    direction = torch.randn(output.shape, generator=generator, dtype=output.dtype)
    targets = [leaf] if leaf.requires_grad else []
    targets += measure.roots
    if output.requires_grad and targets:
        try:
            torch.autograd.grad(output, targets, direction, allow_unused=True)
        except RuntimeError as error:
            raise ModelError(f"the backward pass fails: {str(error).splitlines()[0]}") from None
    return output.detach()


def _forward(model: nn.Module, x: torch.Tensor) -> torch.Tensor:
    with refusals_named(model, x):
        return first_tensor(model(x))


def _never_called(recorder: Recorder) -> tuple[str, ...]:
    """Return the layers with parameters that were not called, nor their parameters used by a function."""
    inside = {part for module in recorder.entered if is_leaf(module) for part in module.modules() if part is not module}
    return tuple(
        name or "model"
        for name, module in recorder.model.named_modules()
        if module not in recorder.entered and module not in inside and not recorder.used.intersection(
            parameters := list(module.parameters(recurse=False))
        ) and parameters
    )  # fmt: skip
