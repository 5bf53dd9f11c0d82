"""Masks that depend on the data, as padding does: looked at for more inputs than the structure was."""

from collections.abc import Sequence

import torch
from torch import nn

from propstats.auditing.measuring.batches import Batch, arguments, part
from propstats.auditing.measuring.call import OUTSIDE, Call
from propstats.auditing.measuring.recorder import Recorder, Site
from propstats.auditing.measuring.running import evaluating
from propstats.auditing.measuring.trees import tensors_in, with_tensors

#: How many keys a query sees is a mean over so many inputs.
_SAMPLES = 32


def look_at_masks(model: nn.Module, inputs: Batch, calls: Sequence[Call]) -> None:
    """Replace the masks that calls were given for a few samples by those for more, where they depend on the data.

    Args:
        model: The network.
        inputs: Data; the first samples count.
        calls: Its calls, which are changed.
    """
    if not any(_has_masks(call) for call in calls):
        return
    chunk = with_tensors(part(inputs, slice(_SAMPLES)), torch.clone)  # which modules may change in place
    args, kwargs = arguments(chunk)
    with evaluating(model), torch.no_grad():
        recorder = Recorder(model, _Watch(calls))
        with recorder.recording(tensors_in(chunk)):
            model(*args, **kwargs)


def _has_masks(call: Call) -> bool:
    made = {call.sources[slot] for slot in call.values} - {OUTSIDE}
    return bool(made) and len(call.values) < len(call.sources)


class _Watch:
    """An observer that keeps what carries no signal."""

    def __init__(self, calls: Sequence[Call]) -> None:
        self._calls = calls

    def before(self, site: Site) -> Sequence[torch.Tensor]:
        """Keep masks."""
        if site.position < len(self._calls) and self._calls[site.position].name == site.name:
            call = self._calls[site.position]
            call.values = {slot: site.tensors[slot].detach() for slot in call.values}
        return site.tensors

    def after(self, site: Site) -> Sequence[torch.Tensor]:
        """Change nothing."""
        return site.outputs
