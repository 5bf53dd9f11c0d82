"""Find out which calls a network makes: one forward pass without measuring anything."""

from collections.abc import Sequence

import torch
from torch import nn

from propstats.auditing.measuring.call import INPUT, OUTSIDE, Call, Slot
from propstats.auditing.measuring.recorder import Site
from propstats.auditing.measuring.statistics import SquareMean, UnitStatistics
from propstats.auditing.measuring.trees import tensors_in, with_tensors
from propstats.rules.from_torch import NoRuleError, rule_for


class Structure:
    """An observer that writes down every call.

    Args:
        samples: Samples in the batch that runs.
        inputs: Statistics of the network's inputs, to be shared by the calls that receive them.
    """

    def __init__(self, samples: int, inputs: Sequence[UnitStatistics]) -> None:
        self.calls: list[Call] = []
        self._samples = samples
        self._inputs = inputs
        self._counts: dict[str, int] = {}

    def before(self, site: Site) -> Sequence[torch.Tensor]:
        """Change nothing."""
        return site.tensors

    def after(self, site: Site) -> Sequence[torch.Tensor]:
        """Write the call down."""
        index = self._counts.get(site.name, 0)
        self._counts[site.name] = index + 1
        slots = iter(range(len(site.tensors)))

        def put(tensor: torch.Tensor) -> object:
            slot = Slot(next(slots))
            return tensor if isinstance(tensor, nn.Parameter) else slot

        args, kwargs = with_tensors((tuple(site.args), dict(site.kwargs)), put)
        rule, reason = None, "a function without a rule yet"
        if site.module is not None:
            reason = "its input is not one tensor"
            given = tensors_in(site.args)
            if given:
                try:
                    rule, reason = rule_for(site.module, self._shape(given[0])), ""
                except NoRuleError as error:
                    reason = str(error)
        call = Call(
            name=site.name,
            index=index,
            module=site.module,
            function=site.function,
            args=args,
            kwargs=kwargs,
            sources=tuple(origin.position for origin in site.origins),
            source_outputs=tuple(origin.output for origin in site.origins),
            rule=rule,
            reason=reason or None,
            input_shapes=tuple(self._shape(tensor) for tensor in site.tensors),
            output_shapes=tuple(self._shape(tensor) for tensor in site.outputs),
            changed=tuple(site.changed),
        )
        for origin in site.origins:
            known = origin.position != OUTSIDE and not origin.changed
            made = self._made_by(origin.position)[origin.output] if known else None
            call.inputs.append(made if made is not None else UnitStatistics())
            call.gradient_inputs.append(SquareMean())
        for output in site.outputs:
            # What a layer hands on as it came is not measured again.
            same = next((slot for slot, tensor in enumerate(site.tensors) if tensor is output), None)
            handed_on = same is not None and same not in site.changed
            call.outputs.append(call.inputs[same] if handed_on and same is not None else UnitStatistics())
            call.gradient_outputs.append(SquareMean())
        self.calls.append(call)
        return site.outputs

    def _made_by(self, position: int) -> Sequence[UnitStatistics]:
        return self._inputs if position == INPUT else self.calls[position].outputs

    def _shape(self, tensor: torch.Tensor) -> tuple[int, ...]:
        shape = tuple(tensor.shape)
        return shape[1:] if shape and shape[0] == self._samples else shape
