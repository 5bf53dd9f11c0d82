"""The masks of attention, as a call was given them."""

import numpy as np
import torch
from numpy.typing import NDArray

from propstats.auditing.expecting.arguments import Arguments
from propstats.auditing.measuring.call import Call, Slot
from propstats.rules.from_torch import NoRuleError
from propstats.rules.mask import Pattern

#: What is added to logits, or put in their place, takes a key away where it is below this.
LOW = -1e3

Seen = NDArray[np.bool_]


def pattern_of(given: Arguments, mask: object, padding: object, *, causal: bool, hides: bool) -> Pattern | None:
    """Return who attends to whom in a call, None if all do to all.

    Args:
        given: The call.
        mask: The mask that it was given, of queries by keys: true or false, or numbers to add.
        padding: The mask of the keys of each input.
        causal: Whether queries see the keys up to their own number.
        hides: Whether true in a mask hides a key, as for layers, or shows it, as for functions.

    Raises:
        NoRuleError: If a mask is part of the signal, or favours some keys.
    """
    queries, keys = (place.shape[-2] for place in given.places[:2] if place is not None)
    seen: Seen = np.ones((queries, keys), dtype=bool)
    for value in (mask, padding):
        tensor = tensor_of(given.call, value)
        if tensor is not None:
            found = shown(tensor, hides=hides)
            seen = seen & (found if value is mask else found[..., None, :])
    if causal and mask is None:
        if padding is None:
            return Pattern.causal(queries, keys)
        seen = seen & np.tril(np.ones((queries, keys), dtype=bool))
    return None if seen.all() else Pattern.of(seen)


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


def shown(mask: torch.Tensor, *, hides: bool) -> Seen:
    """Return which keys a mask shows.

    Raises:
        NoRuleError: If it favours some of them.
    """
    if not mask.is_floating_point():
        found: Seen = mask.bool().cpu().numpy()
        return ~found if hides else found
    numbers = mask.float().cpu().numpy()
    low: Seen = numbers < LOW
    if np.any(numbers[~low] != 0.0):
        raise NoRuleError("no rule for attention whose logits have a bias for each pair of tokens")
    return ~low
