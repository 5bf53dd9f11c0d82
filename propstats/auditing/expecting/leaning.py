"""What comes back where gradients are not spread evenly, or samples differ in scale: measured weights for the rules.

Rules pool over positions and samples. A norm divides each token by its own size, so that a gradient which reaches one
token only, as that which stands for a class, is divided by the size of that token; and what lies beside each other gets
the gradient of its own place. Where gradients lie is for data to say.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch

from propstats.auditing.expecting.network import Step
from propstats.auditing.measuring.call import Call, Maker
from propstats.auditing.measuring.profile import Profile
from propstats.rules.join import Concatenate
from propstats.rules.norm import GroupNorm
from propstats.rules.parts import Beside


@dataclass(frozen=True, slots=True)
class Inverse:
    """What a norm divides by, as it was measured.

    Args:
        each: The mean over samples of `1/(variance + eps)` at each position; one number for norms over positions.
        pooled: One over the mean of `variance + eps` over samples and positions.
    """

    each: torch.Tensor
    pooled: float


def norms_of(steps: Sequence[Step], calls: Sequence[Call]) -> Mapping[Maker, GroupNorm]:
    """Return the norms that take each tensor, by the call that made it and the number of its output.

    Args:
        steps: What theory makes of the calls.
        calls: The calls.
    """
    return {
        step.takes(call)[0]: step.rule
        for call, step in zip(calls, steps, strict=True)
        if isinstance(step.rule, GroupNorm) and step.takes(call)
    }


def watch_norms(steps: Sequence[Step], calls: Sequence[Call]) -> None:
    """Have the gradients behind norms of single positions measured position by position.

    Args:
        steps: What theory makes of the calls.
        calls: The calls, of which nothing is measured yet.
    """
    for call, step in zip(calls, steps, strict=True):
        place = step.places[0] if step.places else None
        if isinstance(step.rule, GroupNorm) and step.rule.positions == 1 and place is not None and place.count > 1:
            call.gradient_outputs[0] = Profile(sorted(place.axes))


def inverse_variances(values: torch.Tensor, norm: GroupNorm) -> Inverse | None:
    """Return what a norm divides by; None if it does not norm over these units.

    Args:
        values: A tensor, shape (samples, units, positions).
        norm: The norm that takes it.

    >>> from propstats.rules.norm import Scale
    >>> inverse_variances(torch.tensor([[[1.0], [-1.0]], [[2.0], [-2.0]]]), GroupNorm(2, 1, Scale(), 0.0)).each.tolist()
    [0.625]
    """
    if values.shape[1] % norm.units or norm.positions not in (1, values.shape[2]):
        return None
    samples, units, count = values.shape
    groups = values.double().reshape(samples, units // norm.units, norm.units, count)
    over = 2 if norm.positions == 1 else (2, 3)
    squares = groups.square().mean(dim=over)
    if norm.centred:
        squares = squares - groups.mean(dim=over).square()
    divided = squares.clamp(min=0.0) + norm.eps
    if not bool((divided > 0.0).all()):
        return None
    each = (1.0 / divided).reshape(samples * len(divided[0]), -1).mean(dim=0)
    return Inverse(each, 1.0 / float(divided.mean()))


def leaning(
    calls: Sequence[Call], steps: Sequence[Step], inverses: Mapping[Maker, Inverse]
) -> Mapping[tuple[int, int], float]:
    """Return how many times more comes back than if gradients were spread evenly over samples that are all alike.

    Args:
        calls: The calls.
        steps: What theory makes of them.
        inverses: What norms divide by, by who made what they take.

    Returns:
        By the position of the call, and the number of the input.
    """
    found: dict[tuple[int, int], float] = {}
    for position, (call, step) in enumerate(zip(calls, steps, strict=True)):
        given = call.gradient_output
        if isinstance(step.rule, Concatenate | Beside) and given.is_measured and given.running.mean > 0.0:
            for slot in step.heard:
                back = call.gradient_inputs[slot]
                if back.is_measured:
                    found[position, slot] = back.running.mean / given.running.mean
        if isinstance(step.rule, GroupNorm):
            inverse = inverses.get(step.takes(call)[0])
            shares = given.shares if isinstance(given, Profile) else None
            if inverse is not None:
                each = inverse.each
                alike = shares is None or len(shares) != len(each)
                mean = float(each.mean()) if alike or shares is None else float(each @ shares)
                found[position, step.heard[0] if step.heard else 0] = mean / inverse.pooled
    return found
