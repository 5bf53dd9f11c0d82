"""Find out which calls a network makes, and where samples lie in each tensor: two small forward passes.

The passes have different numbers of samples. The axis of a tensor that grows with them is the one that counts samples.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import nn

from propstats.auditing.measuring.call import INPUT, OUTSIDE, Call, Slot
from propstats.auditing.measuring.layout import Layout
from propstats.auditing.measuring.origins import Origin
from propstats.auditing.measuring.recorder import Site
from propstats.auditing.measuring.statistics import SquareMean, UnitStatistics
from propstats.auditing.measuring.trees import with_tensors
from propstats.errors import ModelError

Shape = tuple[int, ...]


@dataclass(slots=True)
class Shapes:
    """An observer that notes the shapes of each call's tensors.

    Args:
        samples: Samples in the batch that runs.
        seen: For each call its name, and the shapes of what it received and of what it gave.
    """

    samples: int
    seen: list[tuple[str, tuple[Shape, ...], tuple[Shape, ...]]] = field(default_factory=list)

    def before(self, site: Site) -> Sequence[torch.Tensor]:
        """Change nothing."""
        return site.tensors

    def after(self, site: Site) -> Sequence[torch.Tensor]:
        """Note the shapes."""
        self.seen.append((site.name, _shapes(site.tensors), _shapes(site.outputs)))
        return site.outputs


class Structure:
    """An observer that writes down every call.

    Args:
        samples: Samples in the batch that runs.
        smaller: What was seen with fewer samples.
        inputs: Statistics of the network's inputs, to be shared by the calls that receive them.
    """

    def __init__(self, samples: int, smaller: Shapes, inputs: Sequence[UnitStatistics]) -> None:
        self.calls: list[Call] = []
        self._samples = (smaller.samples, samples)
        self._smaller = smaller.seen
        self._inputs = inputs
        self._counts: dict[str, int] = {}

    def before(self, site: Site) -> Sequence[torch.Tensor]:
        """Change nothing."""
        return site.tensors

    def after(self, site: Site) -> Sequence[torch.Tensor]:
        """Write the call down."""
        index = self._counts.get(site.name, 0)
        self._counts[site.name] = index + 1
        given, made = self._layouts(site)
        args, kwargs = _slotted(site)
        input_shapes = tuple(_without_samples(t, layout) for t, layout in zip(site.tensors, given, strict=True))
        call = Call(
            name=site.name,
            index=index,
            module=site.module,
            function=site.function,
            args=args,
            kwargs=kwargs,
            sources=tuple(origin.position for origin in site.origins),
            source_outputs=tuple(origin.output for origin in site.origins),
            input_shapes=input_shapes,
            output_shapes=tuple(_without_samples(t, layout) for t, layout in zip(site.outputs, made, strict=True)),
            input_layouts=given,
            output_layouts=made,
            changed=tuple(site.changed),
            values=self._without_signal(site),
            is_constant=all(self._is_constant(origin) for origin in site.origins),
            carries_signal=self._carries_signal(site, made),
        )
        for origin in site.origins:
            known = origin.position != OUTSIDE and not origin.changed
            source = self._made_by(origin.position)[origin.output] if known else None
            call.inputs.append(source if source is not None else UnitStatistics())
            call.gradient_inputs.append(SquareMean())
        for output in site.outputs:
            # What a layer hands on as it came is not measured again.
            same = next((slot for slot, tensor in enumerate(site.tensors) if tensor is output), None)
            handed_on = same is not None and same not in site.changed
            call.outputs.append(call.inputs[same] if handed_on and same is not None else UnitStatistics())
            call.gradient_outputs.append(SquareMean())
        self.calls.append(call)
        return site.outputs

    def _layouts(self, site: Site) -> tuple[tuple[Layout | None, ...], tuple[Layout | None, ...]]:
        """Return where samples lie in what a call received and gave."""
        name, smaller_in, smaller_out = (
            self._smaller[site.position] if site.position < len(self._smaller) else ("", (), ())
        )
        if name != site.name or len(smaller_in) != len(site.tensors) or len(smaller_out) != len(site.outputs):
            raise changes_course(site.name, name)

        def layout(smaller: Shape, tensor: torch.Tensor, module: nn.Module | None) -> Layout | None:
            return Layout.between(smaller, tuple(tensor.shape), self._samples, module)

        given = [layout(smaller, tensor, None) for smaller, tensor in zip(smaller_in, site.tensors, strict=True)]
        for slot, origin in enumerate(site.origins):
            if origin.position >= 0:
                given[slot] = self.calls[origin.position].output_layouts[origin.output]
        made = [layout(smaller, out, site.module) for smaller, out in zip(smaller_out, site.outputs, strict=True)]
        if site.function is not None:  # what keeps the shape keeps the axes
            for number, output in enumerate(site.outputs):
                same = (i for i, tensor in enumerate(site.tensors) if given[i] and tensor.shape == output.shape)
                made[number] = next((given[i] for i in same), made[number])
        return tuple(given), tuple(made)

    def _carries_signal(self, site: Site, made: Sequence[Layout | None]) -> bool:
        """Whether a call gives real numbers that say something of the data; what makes masks of tokens does not."""
        if site.module is not None:  # an embedding of positions is the same for all samples
            return any(made) or not all(self._is_constant(origin) for origin in site.origins)
        for tensor, origin in zip(site.tensors, site.origins, strict=True):
            if isinstance(tensor, nn.Parameter) or (origin.position == INPUT and tensor.is_floating_point()):
                return True
            if origin.position >= 0 and self.calls[origin.position].carries_signal and tensor.is_floating_point():
                return True
        return False

    def _is_constant(self, origin: Origin) -> bool:
        return origin.position == OUTSIDE or (origin.position >= 0 and self.calls[origin.position].is_constant)

    def _without_signal(self, site: Site) -> dict[int, torch.Tensor]:
        """Return the tensors that carry no signal, which nothing is measured of."""
        found = {}
        for slot, (tensor, origin) in enumerate(zip(site.tensors, site.origins, strict=True)):
            outside = origin.position == OUTSIDE or (origin.position == INPUT and not tensor.is_floating_point())
            if outside or (origin.position >= 0 and not self.calls[origin.position].carries_signal):
                found[slot] = tensor.detach()
        return {slot: tensor for slot, tensor in found.items() if not isinstance(site.tensors[slot], nn.Parameter)}

    def _made_by(self, position: int) -> Sequence[UnitStatistics]:
        return self._inputs if position == INPUT else self.calls[position].outputs


def changes_course(now: str, before: str) -> ModelError:
    """Return the error that says where a network does something else for other data."""
    other = f"{before} for other data" if before else "nothing for other data"
    return ModelError(
        f"the model calls {now or 'nothing more'} where it calls {other}",
        "its control flow depends on data: it cannot be audited",
    )


def _slotted(site: Site) -> tuple[tuple[object, ...], dict[str, object]]:
    slots = iter(range(len(site.tensors)))

    def put(tensor: torch.Tensor) -> object:
        slot = Slot(next(slots))
        return tensor if isinstance(tensor, nn.Parameter) else slot

    return with_tensors((tuple(site.args), dict(site.kwargs)), put)


def _shapes(tensors: Sequence[torch.Tensor]) -> tuple[Shape, ...]:
    return tuple(tuple(tensor.shape) for tensor in tensors)


def _without_samples(tensor: torch.Tensor, layout: Layout | None) -> Shape:
    return tuple(layout.rows(tensor).shape[1:]) if layout is not None else tuple(tensor.shape)
