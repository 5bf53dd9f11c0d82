"""Measure every call while a batch runs forwards and backwards."""

from collections import Counter
from collections.abc import Callable, Sequence

import torch
from torch import nn

from propstats.auditing.measuring.call import FLAT, OUTSIDE, Call, Maker
from propstats.auditing.measuring.gradients import watch_gradient
from propstats.auditing.measuring.layout import Layout
from propstats.auditing.measuring.recorder import Site
from propstats.auditing.measuring.statistics import SquareMean, UnitStatistics
from propstats.auditing.measuring.structure import changes_course
from propstats.errors import ModelError
from propstats.rules.elementwise import Elementwise


class Measure:
    """An observer that adds what it sees to the calls of a network whose structure is known.

    Args:
        calls: The calls.
        result: Which call, and which of its outputs, is the output of the network.
    """

    def __init__(self, calls: Sequence[Call], result: Maker) -> None:
        self.calls = calls
        #: Where the backward pass ends besides at the inputs: real numbers made of tokens.
        self.roots: list[torch.Tensor] = []
        self._start = 0
        self._shared: set[tuple[int, int]] = set()
        self._share_gradients(result)

    def _share_gradients(self, result: Maker) -> None:
        """Where a tensor is used once, the gradient through that use is the gradient where it was made."""
        uses = Counter(maker for call in self.calls for maker in call.makers)
        uses[result] += 1
        for call in self.calls:
            for slot, (source, output) in enumerate(call.makers):
                if source >= 0 and uses[source, output] == 1:
                    maker = self.calls[source]
                    if call.inputs[slot] is maker.outputs[output]:  # nobody changed it in between
                        call.gradient_inputs[slot] = maker.gradient_outputs[output]
                        self._shared.add((id(call), slot))

    def begin(self, start: int) -> None:
        """Begin a batch whose first sample has this number."""
        self._start = start
        self.roots = []

    def end(self, position: int) -> None:
        """End a forward pass after so many calls."""
        if position != len(self.calls):
            raise changes_course("", self.calls[position].name)

    def before(self, site: Site) -> Sequence[torch.Tensor]:
        """Measure inputs that no call has given, and look out for the gradient through this call alone."""
        call = self._call(site)
        if call is None or not call.carries_signal:
            return site.tensors  # a function that gives no tensor, or a fault that is found when it has
        given = list(site.tensors)
        for slot, (tensor, origin) in enumerate(zip(site.tensors, site.origins, strict=True)):
            if isinstance(tensor, nn.Parameter) or not tensor.is_floating_point():
                continue
            layout = call.input_layouts[slot]
            if origin.position == OUTSIDE or origin.changed:
                self._add(call.inputs[slot], tensor, layout, call.name)
            if slot == call.main and layout is not None:
                _add_slopes(call, layout.rows(tensor))
            if tensor.requires_grad and (id(call), slot) not in self._shared and slot not in call.changed:
                # Others use the tensor too: an alias has a gradient of its own.
                given[slot] = tensor.view_as(tensor)
                watch_gradient(given[slot], tensor, _adding(call.gradient_inputs[slot], layout))
        return given

    def after(self, site: Site) -> Sequence[torch.Tensor]:
        """Measure outputs."""
        call = self._call(site)
        if call is None:
            raise changes_course(site.name, self.calls[site.position].name if site.position < len(self.calls) else "")
        outputs = list(site.outputs)
        for number, tensor in enumerate(outputs if call.carries_signal else ()):
            if not tensor.is_floating_point():
                continue
            layout = call.output_layouts[number]
            if not any(call.outputs[number] is statistics for statistics in call.inputs):
                self._add(call.outputs[number], tensor, layout, call.name)
            if torch.is_grad_enabled() and _begins_gradient(site):
                if not tensor.requires_grad:
                    # The copy may be changed in place.
                    outputs[number] = tensor = tensor.detach().requires_grad_().clone()
                self.roots.append(tensor)
            if tensor.requires_grad:
                watch_gradient(tensor, site.tensors, _adding(call.gradient_outputs[number], layout))
        return outputs

    def _call(self, site: Site) -> Call | None:
        """Return the call that this is, None if it is none of those that are known."""
        call = self.calls[site.position] if site.position < len(self.calls) else None
        known = call is not None and call.name == site.name and call.module is site.module
        return call if call is not None and known and len(call.sources) == len(site.origins) else None

    def _add(self, statistics: UnitStatistics, tensor: torch.Tensor, layout: Layout | None, name: str) -> None:
        if layout is None:  # it is the same for all samples
            return
        try:
            statistics.add(layout.rows(tensor), units=layout.units, start=self._start)
        except ValueError as error:
            message = f"layer {name} changes its shape between batches: {error}"
            raise ModelError(message, "it cannot be audited yet") from None


def _adding(statistics: SquareMean, layout: Layout | None) -> Callable[[torch.Tensor], None]:
    def add(gradient: torch.Tensor) -> None:
        if layout is not None:
            statistics.add(layout.rows(gradient))

    return add


def _begins_gradient(site: Site) -> bool:
    """Whether a call makes real numbers of tokens: no gradient passes it."""
    return not any(
        tensor.is_floating_point()
        for tensor, origin in zip(site.tensors, site.origins, strict=True)
        if origin.position != OUTSIDE
    )


def _add_slopes(call: Call, x: torch.Tensor) -> None:
    if isinstance(call.rule, Elementwise):
        slope = call.rule.activation.slope(x.double()).abs().reshape(len(x), -1)
        call.flat += int((slope < FLAT * call.steepest).sum())
        alive = (slope != 0).any(dim=0)
        call.alive = alive if call.alive is None else call.alive | alive
