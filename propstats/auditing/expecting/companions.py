"""What positions have in common: measured in one more forward pass over a batch."""

from collections.abc import Mapping, Sequence

import torch
from torch import nn

from propstats.auditing.expecting.leaning import Inverse, inverse_variances
from propstats.auditing.expecting.network import Step
from propstats.auditing.expecting.places import Place
from propstats.auditing.expecting.products import arranged_by, products, products_within
from propstats.auditing.measuring.batches import Batch, arguments, part
from propstats.auditing.measuring.call import INPUT, Call, Maker
from propstats.auditing.measuring.recorder import Recorder, Site
from propstats.auditing.measuring.running import evaluating
from propstats.auditing.measuring.trees import tensors_in, with_tensors
from propstats.rules.attention import AttentionBetween
from propstats.rules.norm import GroupNorm
from propstats.signals import Positions

#: A batch is enough: means of products over all channels and pairs of positions vary little.
SAMPLES = 256


def measure_positions(
    model: nn.Module,
    inputs: Batch,
    steps: Sequence[Step],
    start: Place,
    norms: Mapping[Maker, GroupNorm],
    attended: Mapping[Maker, int],
) -> tuple[dict[Maker, Positions], dict[Maker, Inverse]]:
    """Return mean products of two positions, of one input and of two, for each tensor; and what norms divide by.

    Args:
        model: The network.
        inputs: Data; the first samples count.
        steps: What theory makes of its calls.
        start: The place of the input.
        norms: The norms that take a tensor.
        attended: The axis of tokens of what attention takes.

    Returns:
        Both by who made the tensor; the network's input is that of `INPUT` and 0.
    """
    chunk = with_tensors(part(inputs, slice(SAMPLES)), torch.clone)  # which modules may change in place
    args, kwargs = arguments(chunk)
    tensors = tensors_in(chunk)
    watch = _Watch(len(tensors[0]), steps, norms, attended)
    watch.note((INPUT, 0), tensors[0], start)
    with evaluating(model), torch.no_grad():
        recorder = Recorder(model, watch)
        with recorder.recording(tensors):
            model(*args, **kwargs)
    return watch.found, watch.inverses


def attended_of(steps: Sequence[Step], calls: Sequence[Call]) -> dict[Maker, int]:
    """Return the axis of tokens of what attention takes, by who made it.

    Args:
        steps: What theory makes of the calls.
        calls: The calls.
    """
    found = {}
    for call, step in zip(calls, steps, strict=True):
        if isinstance(step.rule, AttentionBetween) and call.kind != "einsum":
            for slot, (source, output) in enumerate(step.takes(call)):
                rank = len(steps[source].places[output].shape) if source >= 0 else 0
                if rank > 2:  # keys that are written out come with their tokens last
                    found[source, output] = rank - 1 - (slot != 1 or not step.sources)
    return found


class _Watch:
    """An observer that measures each tensor where it is made."""

    def __init__(
        self, samples: int, steps: Sequence[Step], norms: Mapping[Maker, GroupNorm], attended: Mapping[Maker, int]
    ) -> None:
        self.found: dict[Maker, Positions] = {}
        self.inverses: dict[Maker, Inverse] = {}
        self._norms, self._attended = norms, attended
        self._samples = samples
        self._steps = steps

    def before(self, site: Site) -> Sequence[torch.Tensor]:
        """Change nothing."""
        return site.tensors

    def after(self, site: Site) -> Sequence[torch.Tensor]:
        """Measure the outputs."""
        if site.position < len(self._steps):
            for number, (tensor, place) in enumerate(
                zip(site.outputs, self._steps[site.position].places, strict=False)
            ):
                self.note((site.position, number), tensor, place)
        return site.outputs

    def note(self, key: Maker, tensor: torch.Tensor, place: Place) -> None:
        """Measure one tensor."""
        if place.batch == 0 and tensor.ndim == len(place.shape) and len(tensor) == self._samples * place.shape[0]:
            tensor = tensor.reshape(self._samples, *place.shape)  # tokens of all samples one after the other
        by_sample = place.batch == 0 and tensor.shape == (self._samples, *place.shape)
        wanted = place.count > 1 or key in self._norms
        if not (by_sample and tensor.is_floating_point() and wanted and place.axes):
            return
        if not bool(torch.isfinite(tensor).all()):
            return
        if place.count > 1:
            tokens = self._attended.get(key)
            found = products(tensor, place) if tokens is None else products_within(tensor, place, tokens)
            self.found[key] = found
        if key in self._norms:
            inverse = inverse_variances(arranged_by(place, tensor), self._norms[key])
            if inverse is not None:
                self.inverses[key] = inverse
