"""Measure every call while a batch runs forwards and backwards."""

from collections.abc import Callable, Sequence

import torch
from torch import nn

from propstats.auditing.measuring.call import FLAT, OUTSIDE, Call
from propstats.auditing.measuring.origins import Origin
from propstats.auditing.measuring.recorder import Site, function_name
from propstats.auditing.measuring.statistics import SquareMean, UnitStatistics
from propstats.errors import ModelError
from propstats.rules.elementwise import Elementwise


class Measure:
    """An observer that adds what it sees to the calls of a network whose structure is known.

    Args:
        calls: The calls.
        result: Which call, and which of its outputs, is the output of the network.
    """

    def __init__(self, calls: Sequence[Call], result: tuple[int, int]) -> None:
        self.calls = calls
        self.samples = 0
        #: What the backward pass starts its way to, besides the inputs: outputs that no gradient would pass else.
        self.roots: list[torch.Tensor] = []
        self._uses = _count_uses(calls)
        self._uses[result] = self._uses.get(result, 0) + 1

    def start(self, samples: int) -> None:
        """Begin a batch."""
        self.samples = samples
        self.roots = []

    def finish(self, position: int) -> None:
        """End a forward pass."""
        if position != len(self.calls):
            raise ModelError(
                f"the model makes {position} calls for some data and {len(self.calls)} for other: "
                f"it ends before {self.calls[position].name}",
                "it cannot be audited: its control flow depends on the data",
            )

    def before(self, site: Site) -> Sequence[torch.Tensor]:
        """Measure inputs that no call has given, and look out for the gradient through this call alone."""
        call = self.calls[site.position] if site.position < len(self.calls) else None
        if call is None or not _same(call, site):
            return site.tensors  # a function that gives no tensor, or a fault that is found when it has
        given = list(site.tensors)
        for slot, (tensor, origin) in enumerate(zip(site.tensors, site.origins, strict=True)):
            if isinstance(tensor, nn.Parameter) or not tensor.is_floating_point():
                continue
            if origin.position == OUTSIDE or origin.changed:
                self._add(call.inputs[slot], tensor, call.name)
            if slot == call.main:
                _add_slopes(call, tensor)
            if tensor.requires_grad:
                if origin.position >= 0 and self._uses[origin.position, origin.output] == 1 and not origin.changed:
                    call.gradient_inputs[slot] = self._gradient_of(origin)
                elif slot not in call.changed:
                    given[slot] = tensor.view_as(tensor)
                    given[slot].register_hook(self._adding(call.gradient_inputs[slot]))  # type: ignore[no-untyped-call]
        return given

    def after(self, site: Site) -> Sequence[torch.Tensor]:
        """Measure outputs."""
        call = self.calls[site.position] if site.position < len(self.calls) else None
        if call is None or not _same(call, site):
            expected = "none" if call is None else call.name
            raise ModelError(
                f"the model calls {site.name} where it called {expected} for other data",
                "it cannot be audited: its control flow depends on the data",
            )
        outputs = list(site.outputs)
        for number, tensor in enumerate(outputs):
            if not tensor.is_floating_point():
                continue
            if not any(call.outputs[number] is statistics for statistics in call.inputs):
                self._add(call.outputs[number], tensor, call.name)
            if _begins_gradient(site):
                if not tensor.requires_grad:
                    # The copy may be changed in place.
                    outputs[number] = tensor = tensor.detach().requires_grad_().clone()
                self.roots.append(tensor)
            if tensor.requires_grad:
                tensor.register_hook(self._adding(call.gradient_outputs[number]))  # type: ignore[no-untyped-call]
        return outputs

    def _gradient_of(self, origin: Origin) -> SquareMean:
        return self.calls[origin.position].gradient_outputs[origin.output]

    def _adding(self, statistics: SquareMean) -> Callable[[torch.Tensor | None], None]:
        samples = self.samples

        def add(gradient: torch.Tensor | None) -> None:
            rows = by_sample(gradient, samples) if gradient is not None else None
            if rows is not None:
                statistics.add(rows)

        return add

    def _add(self, statistics: UnitStatistics, tensor: torch.Tensor, name: str) -> None:
        samples = by_sample(tensor, self.samples)
        if samples is None:
            return
        try:
            statistics.add(samples)
        except ValueError as error:
            message = f"layer {name} changes its shape between batches: {error}"
            raise ModelError(message, "it cannot be audited yet") from None


def by_sample(tensor: torch.Tensor, samples: int) -> torch.Tensor | None:
    """Return a tensor with a row for each sample; None if its shape does not say which sample is which."""
    if tensor.ndim == 0 or tensor.numel() == 0:
        return None
    if len(tensor) == samples:
        return tensor.detach()
    axis = next((axis for axis, size in enumerate(tensor.shape) if size == samples), None)
    if axis is not None:
        return tensor.detach().movedim(axis, 0)
    return tensor.detach().reshape(samples, -1) if len(tensor) % samples == 0 else None


def _same(call: Call, site: Site) -> bool:
    if call.module is not site.module or len(call.sources) != len(site.origins):
        return False
    if call.function is not None:
        named = site.function is not None and function_name(call.function) == function_name(site.function)
        return named and call.name == site.name
    return True


def _count_uses(calls: Sequence[Call]) -> dict[tuple[int, int], int]:
    """Count how often each output of each call is used: what is used once has one gradient."""
    uses: dict[tuple[int, int], int] = {}
    for call in calls:
        for made in zip(call.sources, call.source_outputs, strict=True):
            uses[made] = uses.get(made, 0) + 1
    return uses


def _begins_gradient(site: Site) -> bool:
    """Whether a call makes real numbers of tokens: no gradient passes it."""
    return not any(
        tensor.is_floating_point()
        for tensor, origin in zip(site.tensors, site.origins, strict=True)
        if origin.position != OUTSIDE
    )


def _add_slopes(call: Call, x: torch.Tensor) -> None:
    if isinstance(call.rule, Elementwise):
        slope = call.rule.activation.slope(x.detach().double()).abs().flatten(1)
        call.flat += int((slope < FLAT * call.steepest).sum())
        alive = (slope != 0).any(dim=0)
        call.alive = alive if call.alive is None else call.alive | alive
