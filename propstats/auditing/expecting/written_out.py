"""Attention that a network writes out: products of queries and keys, a scale, a mask, a softmax, and the values.

What its softmax does to the signal takes more than its own input says: what two queries, and two keys, have in common.
So the softmax and the product behind it are read together with the queries and keys that they come from.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from torch import nn

from propstats.auditing.expecting.arguments import Arguments
from propstats.auditing.expecting.masks import LOW, Seen, shown, tensor_of
from propstats.auditing.expecting.places import Place
from propstats.auditing.measuring.call import OUTSIDE, Call, Slot
from propstats.rules.affine import Unchanged
from propstats.rules.attention import Attention, AttentionBetween, AttentionWeights, Given
from propstats.rules.from_torch import NoRuleError
from propstats.rules.mask import Pattern
from propstats.rules.rule import Join, Rule

#: What may stand between the parts of attention and changes no number in evaluation mode.
_KEPT = ("dropout", "to", "type_as", "float", "contiguous", "clone", "type", "half", "bfloat16")
_PRODUCTS = ("matmul", "bmm")
#: Who made a tensor: the position of a call, and which of its outputs.
Made = tuple[int, int]


@dataclass(slots=True)
class Written:
    """The softmax of one attention.

    Args:
        query: Who made the queries.
        key: Who made the keys, the units of which are the last axis but one.
        scale: What the products were multiplied by.
        seen: Which query sees which key; None if all see all.
        masks: The calls that hide keys.
        softmax: The softmax.
        mixes: The product of its weights with the values; -1 if there is none.
        reason: Why it has no rule, if it has none.
    """

    query: Made
    key: Made
    scale: float = 1.0
    seen: Seen | None = None
    masks: list[int] = field(default_factory=list)
    softmax: int = -1
    mixes: int = -1
    reason: str = ""


def find_written(calls: Sequence[Call]) -> Mapping[int, Written]:
    """Return the attention that each call is a part of: those that mask, the softmax, and the product with the values.

    Args:
        calls: The calls of a network.
    """
    found: dict[int, Written] = {}
    for position, call in enumerate(calls):
        if call.kind.lower() == "softmax" and _is_last(call):
            written = _before(position, calls)
            if written is not None:
                found |= dict.fromkeys([*written.masks, position], written)
                written.mixes = _behind(position, calls)
                if written.mixes >= 0:
                    found[written.mixes] = written
    return found


def _is_last(call: Call) -> bool:
    dim = call.module.dim if isinstance(call.module, nn.Softmax) else Arguments(call, ()).get(1, "dim")
    return dim in (-1, len(call.shape))


def _before(position: int, calls: Sequence[Call]) -> Written | None:
    """Go back from a softmax to the product of queries and keys."""
    written = Written((0, 0), (0, 0), softmax=position)
    current = _source(calls[position])
    while current is not None and current >= 0:
        call = calls[current]
        if call.kind in _PRODUCTS and len(call.sources) == 2:
            (written.query, written.key) = zip(call.sources, call.source_outputs, strict=True)
            return written
        try:
            _step_back(call, current, written)
        except NoRuleError as error:
            written.reason = str(error)
        current = _source(call)
    return None


def _step_back(call: Call, position: int, written: Written) -> None:
    """Take account of what stands between the product and the softmax."""
    kind, arguments = call.kind.removeprefix("i").rstrip("_").lower(), Arguments(call, (None,) * len(call.sources))
    other = arguments.get(1, "other")
    if kind in _KEPT or isinstance(call.module, nn.Dropout | nn.Identity):
        return
    if kind in ("mul", "rmul", "multiply") and (factor := _number(call, _other(arguments))) is not None:
        written.scale *= factor
    elif kind in ("div", "truediv", "divide", "true_divide") and (factor := _number(call, other)) is not None:
        written.scale /= factor
    elif kind == "masked_fill" and (_number(call, arguments.get(2, "value")) or 0.0) < LOW:
        _hide(written, position, call, other, hides=True)
    elif kind == "where" and (_number(call, arguments.get(2, "other")) or 0.0) < LOW:
        _hide(written, position, call, arguments.get(0, "condition"), hides=False)
    elif kind in ("add", "radd"):
        _hide(written, position, call, _other(arguments), hides=False)
    else:
        raise NoRuleError(f"no rule for attention with {call.kind} before its softmax")


def _hide(written: Written, position: int, call: Call, mask: object, *, hides: bool) -> None:
    written.masks.append(position)
    tensor = tensor_of(call, mask)
    if tensor is None:
        raise NoRuleError(f"no rule for attention with {call.kind} before its softmax")
    seen = shown(tensor, hides=hides)
    written.seen = seen if written.seen is None else np.logical_and(written.seen, seen)


def _other(arguments: Arguments) -> object:
    """Return which of two arguments is not the signal."""
    first, second = arguments.get(0, "input"), arguments.get(1, "other")
    is_signal = isinstance(first, Slot) and first.position == arguments.call.main
    return second if is_signal else first


def _number(call: Call, value: object) -> float | None:
    """Return a number, also of a tensor that holds one."""
    if isinstance(value, Slot):
        found = call.values.get(value.position)
        return float(found) if found is not None and found.numel() == 1 else None
    return float(value) if isinstance(value, int | float) else None


def _source(call: Call) -> int | None:
    """Return who made what a call changes: its first input that carries the signal."""
    seen = [made for slot, made in enumerate(call.sources) if made != OUTSIDE and slot not in call.values]
    return seen[0] if len(seen) == 1 else None


def _behind(position: int, calls: Sequence[Call]) -> int:
    """Go on from a softmax to the product of its weights with the values."""
    while True:
        users = [
            (number, slot)
            for number, call in enumerate(calls)
            for slot, source in enumerate(call.sources)
            if source == position
        ]
        products = [n for n, slot in users if calls[n].kind in _PRODUCTS and slot == 0 and len(calls[n].sources) == 2]
        if products:
            return products[0]
        kept = [n for n, _ in users if calls[n].kind.lower() in _KEPT or isinstance(calls[n].module, nn.Dropout)]
        if not kept:
            return -1
        position = kept[0]


def attention_of(written: Written, queries: Place, keys: Place) -> Attention:
    """Return the rule of attention that is written out.

    Args:
        written: Its parts.
        queries: The place of the queries.
        keys: The place of the keys.

    Raises:
        NoRuleError: If it has none, with the reason.
    """
    if written.reason:
        raise NoRuleError(written.reason)
    rank = len(queries.shape)
    if rank < 2 or rank - 1 not in queries.axes or len(keys.shape) - 2 not in keys.axes:
        raise NoRuleError("no rule for attention whose queries and keys have their units elsewhere")
    (count, units), tokens = queries.shape[-2:], keys.shape[-1]
    pattern = None
    if written.seen is not None and not written.seen.all():
        shape = np.broadcast_shapes(written.seen.shape, (count, tokens))
        pattern = Pattern.of(np.broadcast_to(written.seen, shape))
    one = Unchanged()
    scale = written.scale * math.sqrt(units)
    return Attention(Given(units), one, one, one, tokens, queries=count, pattern=pattern, scale=scale)


def part_of(written: Written, position: int, attention: Attention) -> Rule | Join:
    """Return what one call does in it.

    Args:
        written: Its parts.
        position: The call.
        attention: The rule of all parts together.
    """
    if position == written.softmax:
        return AttentionWeights(attention)
    return AttentionBetween(attention) if position == written.mixes else Unchanged()
