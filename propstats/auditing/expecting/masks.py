"""The masks of attention, as a call was given them: what is added to logits, minus infinity where a key is hidden."""

import numpy as np
import torch
from numpy.typing import NDArray

from propstats.auditing.expecting.arguments import Arguments
from propstats.auditing.measuring.call import Call, Slot
from propstats.rules.from_torch import NoRuleError
from propstats.rules.mask import Pattern

#: What is added to logits, or put in their place, takes a key away where it is below this.
LOW = -1e3

Added = NDArray[np.float64]


def pattern_of(given: Arguments, mask: object, padding: object, *, causal: bool, hides: bool) -> Pattern | None:
    """Return who attends to whom in a call, None if all do to all.

    Args:
        given: The call.
        mask: The mask that it was given, of queries by keys: true or false, or numbers to add.
        padding: The mask of the keys of each input.
        causal: Whether queries see the keys up to their own number.
        hides: Whether true in a mask hides a key, as for layers, or shows it, as for functions.

    Raises:
        NoRuleError: If a mask is part of the signal.
    """
    known = [place for place in given.places[:2] if place is not None]
    queries, keys = (place.shape[-2] for place in known)
    total: Added = np.zeros((queries, keys))
    for value in (mask, padding):
        tensor = tensor_of(given.call, value)
        if tensor is not None:
            found = added(tensor, hides=hides)
            total = total + (found if value is mask else found[..., None, :])
    if causal and mask is None:
        if padding is None:
            return Pattern.causal(queries, keys)
        total = total + np.where(np.tril(np.ones((queries, keys), dtype=bool)), 0.0, -np.inf)
    return pattern_from(total, known[0].dims)


def pattern_from(total: Added, dims: int) -> Pattern | None:
    """Return the pattern of what is added to logits; None if it changes nothing.

    Args:
        total: What is added, shape (..., queries, keys).
        dims: How many dimensions the queries have, with the batch: four where heads have a dimension of their own.
    """
    if (total == total[..., :1]).all():  # the same for all keys
        return None
    if total.ndim > 3 or (total.ndim == 3 and dims > 3):
        return Pattern.of(total, heads=total.shape[-3])
    return Pattern.of(total, heads=_period(total) if total.ndim == 3 else 1)


def _period(total: Added) -> int:
    """Return after how many masks the first comes again: heads of all inputs one after the other."""
    again = (number for number in range(1, len(total)) if len(total) % number == 0)
    return next((n for n in again if np.array_equal(total[n:], total[:-n])), 1)


def tensor_of(call: Call, value: object) -> torch.Tensor | None:
    """Return a tensor that carries no signal.

    Raises:
        NoRuleError: If it carries some.
    """
    if isinstance(value, Slot):
        value = call.values.get(value.position)
        if value is None:
            raise NoRuleError("no rule for attention with a mask that depends on the signal")
    return value.detach() if isinstance(value, torch.Tensor) else None


def added(mask: torch.Tensor, *, hides: bool) -> Added:
    """Return what a mask adds to logits."""
    if not mask.is_floating_point():
        found = mask.bool().cpu().numpy()
        return np.where(~found if hides else found, 0.0, -np.inf)
    numbers = mask.double().cpu().numpy()
    return np.where(numbers < LOW, -np.inf, numbers)
