"""What is known of one call of a layer or of a tensor function."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import torch
from torch import nn

from propstats.auditing.measuring.layout import Layout
from propstats.auditing.measuring.statistics import SquareMean, UnitStatistics
from propstats.rules.elementwise import Elementwise
from propstats.rules.rule import Join, Rule

#: Sources that are no calls: the network's input; and a constant, a parameter, or what was made out of sight.
INPUT: Final = -1
OUTSIDE: Final = -2
#: Who made a tensor: the position of a call, `INPUT` or `OUTSIDE`; and which of its outputs it is.
Maker = tuple[int, int]

_FSDP: Final = "torch.distributed.fsdp"
#: An activation is flat where its slope is below this share of its slope near the middle.
FLAT: Final = 0.01


@dataclass(frozen=True, slots=True)
class Slot:
    """Stands for a tensor among the arguments of a call.

    Args:
        position: Which tensor input of the call it was: an index into `Call.sources` and `Call.inputs`.
    """

    position: int


@dataclass(slots=True)
class Call:
    """One call of a layer, or of a tensor function outside of layers (`F.relu`, `+`, `torch.cat`, `view` ...).

    Args:
        name: Dotted name of the module; for a function, of the module around it with the function's name.
        index: Which call of that name, from 0.
        module: The module, or None.
        function: The function, or None.
        args: Positional arguments; in place of each tensor a `Slot`, or the parameter itself.
        kwargs: Keyword arguments, likewise.
        sources: For each tensor input, the position of the call that made it, `INPUT` or `OUTSIDE`. Parameters count.
        source_outputs: For each of them, which of that call's outputs it is.
        rule: What theory makes of its input: its rule, or None with the reason. `obey` sets it.
        reason: Why there is no rule.
        inputs: Statistics of each tensor input: those of its source, unless it was changed since. Nothing is measured
            of parameters and of tensors that hold no real numbers.
        input_shapes: Shapes of the tensor inputs, without the batch (whole where there is none).
        outputs: Statistics of each tensor that it gave.
        output_shapes: Their shapes, without the batch.
        gradient_inputs: Gradient of `v . output` through this call alone, at each tensor input.
        gradient_outputs: The same at each tensor that it gave, through all that use it.
        input_layouts: Where samples, units and positions lie in the tensor inputs.
        output_layouts: The same for what it gave.
        changed: Which tensor inputs it changed in place.
        values: Tensor inputs that carry no signal, for a few samples: masks.
        is_constant: Whether nothing that it gets depends on the data.
        carries_signal: Whether it gives real numbers that say something of the data; masks do not, nor does the rest
            of what is computed from tokens without a parameter.
        flat: Number of pre-activations at which an activation is flat.
        alive: Which units of an activation had a slope for any of the data, shape (units,).
        saturates: Whether this is an activation that is flat on both sides.
        steepest: Its slope near the middle.
    """

    name: str
    index: int
    module: nn.Module | None
    function: Callable[..., object] | None
    args: Sequence[object]
    kwargs: Mapping[str, object]
    sources: tuple[int, ...]
    source_outputs: tuple[int, ...]
    rule: Rule | Join | None = None
    reason: str | None = None
    inputs: list[UnitStatistics] = field(default_factory=list)
    input_shapes: tuple[tuple[int, ...], ...] = ()
    outputs: list[UnitStatistics] = field(default_factory=list)
    output_shapes: tuple[tuple[int, ...], ...] = ()
    gradient_inputs: list[SquareMean] = field(default_factory=list)
    gradient_outputs: list[SquareMean] = field(default_factory=list)
    input_layouts: tuple[Layout | None, ...] = ()
    output_layouts: tuple[Layout | None, ...] = ()
    changed: tuple[int, ...] = ()
    values: Mapping[int, torch.Tensor] = field(default_factory=dict)
    is_constant: bool = False
    carries_signal: bool = True
    flat: int = 0
    alive: torch.Tensor | None = None
    saturates: bool = False
    steepest: float = 0.0

    def obey(self, rule: Rule | Join | None, reason: str | None) -> None:
        """Take a rule, or the reason why there is none."""
        self.rule, self.reason = rule, reason
        if isinstance(rule, Elementwise):
            left, self.steepest, right = np.abs(rule.activation.slope(np.array([-40.0, 0.5, 40.0]))).tolist()
            self.saturates = max(left, right) < FLAT * self.steepest

    @property
    def kind(self) -> str:
        """Class of the module, or name of the function."""
        if self.module is None:
            return self.name.rpartition(".")[2]
        # FSDP puts a class of its own before that of the layer.
        return next(kind.__name__ for kind in type(self.module).__mro__ if not kind.__module__.startswith(_FSDP))

    @property
    def label(self) -> str:
        """Its name for readers; which call of this name it is, unless it is the first."""
        return self.name if self.index == 0 else f"{self.name} (call {self.index})"

    @property
    def has_parameters(self) -> bool:
        """Whether its module has any."""
        return self.module is not None and next(self.module.parameters(), None) is not None

    @property
    def makers(self) -> list[Maker]:
        """Who made each tensor input."""
        return list(zip(self.sources, self.source_outputs, strict=True))

    @property
    def main(self) -> int | None:
        """Return which tensor input counts as the input: the first that comes from the data, else the first."""
        seen = (slot for slot, source in enumerate(self.sources) if source != OUTSIDE)
        return next(seen, 0 if self.sources else None)

    @property
    def source(self) -> int | None:
        """Where its input comes from: a position or `INPUT`; None if that is unknown."""
        source = self.sources[self.main] if self.main is not None else OUTSIDE
        return None if source == OUTSIDE else source

    @property
    def input(self) -> UnitStatistics:
        """Statistics of its input."""
        return self.inputs[self.main] if self.main is not None else UnitStatistics()

    @property
    def output(self) -> UnitStatistics:
        """Statistics of its first output."""
        return self.outputs[0] if self.outputs else UnitStatistics()

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of its first output, without the batch."""
        return self.output_shapes[0] if self.output_shapes else ()

    @property
    def gradient_input(self) -> SquareMean:
        """Gradient at its input."""
        return self.gradient_inputs[self.main] if self.main is not None else SquareMean()

    @property
    def gradient_output(self) -> SquareMean:
        """Gradient at its first output."""
        return self.gradient_outputs[0] if self.gradient_outputs else SquareMean()


def consumers(calls: Sequence[Call]) -> list[tuple[tuple[int, int], ...]]:
    """Return for each call who uses what it gave: pairs of a position and of a tensor input there."""
    users: list[list[tuple[int, int]]] = [[] for _ in calls]
    for position, call in enumerate(calls):
        for slot, source in enumerate(call.sources):
            if source >= 0:
                users[source].append((position, slot))
    return [tuple(found) for found in users]
