"""Attention that a network writes out: products of queries and keys, a scale, a mask, a softmax, and the values.

What its softmax does to the signal takes more than its own input says: what two queries, and two keys, have in common.
So the softmax and the product behind it are read together with the queries and keys that they come from.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from torch import nn

from propstats.auditing.expecting.arguments import Arguments
from propstats.auditing.expecting.masks import LOW, Added, added, tensor_of
from propstats.auditing.measuring.call import OUTSIDE, Call, Maker, Slot, consumers
from propstats.rules.from_torch import NoRuleError

#: What may stand between the parts of attention and changes no number in evaluation mode.
_KEPT = ("dropout", "to", "type_as", "float", "contiguous", "clone", "type", "half", "bfloat16")
_PRODUCTS = ("matmul", "bmm", "baddbmm", "einsum")


@dataclass(slots=True)
class Written:
    """The softmax of one attention.

    Args:
        query: Who made the queries.
        key: Who made the keys; in a product of matrices their units are the last axis but one.
        product: The position of the call that multiplies them.
        scale: What the products were multiplied by.
        added: What was added to them, minus infinity where a query does not see a key; None if nothing was.
        heads: How many heads have an axis of their own behind the product; 0 if they have none.
        masks: The calls that hide keys.
        softmax: The softmax.
        mixes: The product of its weights with the values; -1 if there is none.
        reason: Why it has no rule, if it has none.
    """

    query: Maker
    key: Maker
    product: int = -1
    scale: float = 1.0
    added: Added | None = None
    heads: int = 0
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
    users = consumers(calls)
    for position, call in enumerate(calls):
        if call.kind.lower() == "softmax" and _is_last(call):
            written = _before(position, calls)
            if written is not None:
                found |= dict.fromkeys([*written.masks, position], written)
                written.mixes = _behind(position, calls, users)
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
        factors = _factors(call)
        if factors is not None:
            written.product = current
            written.query, written.key = (call.makers[slot] for slot in factors)
            _add_to_product(call, written)
            return written
        try:
            _step_back(call, current, written)
        except NoRuleError as error:
            written.reason = str(error)
        current = _source(call)
    return None


def _factors(call: Call) -> tuple[int, int] | None:
    """Return which inputs of a call are queries and keys, if it multiplies two signals."""
    if call.kind not in _PRODUCTS:
        return None
    signals = _signals(call)
    if len(signals) != 2 or (call.kind != "baddbmm" and len(call.sources) != 2):
        return None
    if call.kind == "einsum":  # the last index of what comes out is that of the keys
        left, arrow, result = str(call.args[0]).replace(" ", "").partition("->")
        if arrow and result[-1:] and result[-1] in left.partition(",")[0]:
            signals = signals[::-1]
    return signals[0], signals[1]


def _add_to_product(call: Call, written: Written) -> None:
    """Take account of what a product is multiplied by and added to in one."""
    if call.kind != "baddbmm":
        return
    arguments = Arguments(call, (None,) * len(call.sources))
    beta, alpha = (arguments.get(index, name, 1) for index, name in ((3, "beta"), (4, "alpha")))
    if not isinstance(beta, int | float) or not isinstance(alpha, int | float):
        written.reason = "no rule for baddbmm with factors that are no numbers"
        return
    if beta:
        try:
            _hide(written, call, arguments.get(0, "input"), hides=False, times=float(beta))
        except NoRuleError as error:
            written.reason = str(error)
    written.scale *= alpha


def _step_back(call: Call, position: int, written: Written) -> None:
    """Take account of what stands between the product and the softmax."""
    kind, arguments = call.kind.removeprefix("i").rstrip("_").lower(), Arguments(call, (None,) * len(call.sources))
    other = arguments.get(1, "other")
    if kind in _KEPT or isinstance(call.module, nn.Dropout | nn.Identity):
        return
    if _only_splits(call):
        written.heads = call.shape[0] if len(call.shape) == 3 else 0
        return
    if kind in ("mul", "rmul", "multiply") and (factor := _number(call, _other(arguments))) is not None:
        written.scale *= factor
    elif kind in ("div", "truediv", "divide", "true_divide") and (factor := _number(call, other)) is not None:
        written.scale /= factor
    elif kind == "masked_fill" and (_number(call, arguments.get(2, "value")) or 0.0) < LOW:
        _hide_by(written, position, call, other, hides=True)
    elif kind == "where" and (_number(call, arguments.get(2, "other")) or 0.0) < LOW:
        _hide_by(written, position, call, arguments.get(0, "condition"), hides=False)
    elif kind in ("add", "radd"):
        _hide_by(written, position, call, _other(arguments), hides=False)
    else:
        raise NoRuleError(f"no rule for attention with {call.kind} before its softmax")


def _only_splits(call: Call) -> bool:
    """Whether a call leaves queries and keys where they are, and gives heads an axis of their own, or takes it away."""
    before = call.input_shapes[call.main or 0]
    return call.kind in ("view", "reshape", "unflatten", "flatten") and call.shape[-2:] == before[-2:]


def _hide_by(written: Written, position: int, call: Call, mask: object, *, hides: bool) -> None:
    written.masks.append(position)
    _hide(written, call, mask, hides=hides)


def _hide(written: Written, call: Call, mask: object, *, hides: bool, times: float = 1.0) -> None:
    tensor = tensor_of(call, mask)
    if tensor is None:
        raise NoRuleError(f"no rule for attention with {call.kind} before its softmax")
    found = added(tensor, hides=hides)
    if written.heads and found.ndim == 3:  # of heads that follow each other
        found = found.reshape(-1, written.heads, *found.shape[1:])
    # What multiplies the logits later multiplies this too.
    found = np.where(np.isneginf(found), found, times * written.scale * found)
    try:
        written.added = found if written.added is None else written.added + found
    except ValueError:
        raise NoRuleError("no rule for attention with masks that do not fit together") from None


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


def _signals(call: Call) -> list[int]:
    """Return which inputs of a call carry the signal."""
    return [slot for slot, source in enumerate(call.sources) if source != OUTSIDE and slot not in call.values]


def _source(call: Call) -> int | None:
    """Return who made the one input of a call that carries the signal; None if there are several."""
    signals = _signals(call)
    return call.sources[signals[0]] if len(signals) == 1 else None


def _behind(position: int, calls: Sequence[Call], users: Sequence[Sequence[tuple[int, int]]]) -> int:
    """Go on from a softmax to the product of its weights with the values; -1 if there is none."""
    while True:
        products = [n for n, slot in users[position] if _mixes(calls[n], slot)]
        if products:
            return products[0]
        kept = [n for n, _ in users[position] if keeps(calls[n])]
        if not kept:
            return -1
        position = kept[0]


def _mixes(call: Call, slot: int) -> bool:
    """Whether a call multiplies the weights of a softmax, its input of this number, with values."""
    if call.kind not in _PRODUCTS or len(call.sources) != 2 or call.kind == "baddbmm":
        return False
    return slot == 0 or call.kind == "einsum"


def keeps(call: Call) -> bool:
    """Whether a call changes no number in evaluation mode."""
    return call.kind.lower() in _KEPT or isinstance(call.module, nn.Dropout) or _only_splits(call)
