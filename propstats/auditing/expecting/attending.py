"""The rules of attention: the layer of torch, and the function."""

import math

from torch import nn

from propstats.auditing.expecting.arguments import Arguments
from propstats.auditing.expecting.masks import pattern_of
from propstats.auditing.expecting.places import Place, RuleAndPlace
from propstats.rules.affine import Unchanged
from propstats.rules.attention import Attention, AttentionBetween, Given
from propstats.rules.from_torch import NoRuleError
from propstats.rules.from_torch_modules import attention
from propstats.rules.mask import Pattern


def attention_of(given: Arguments, place: Place) -> RuleAndPlace:
    """Return the rule of scaled dot-product attention, and the place of what it gives."""
    queries, keys, _ = three(given)
    causal, mask = given.flag(5, "is_causal"), given.get(3, "attn_mask")
    pattern = pattern_of(given, mask, None, causal=causal, hides=False)
    scale = given.get(6, "scale")
    times = float(scale) * math.sqrt(queries.shape[-1]) if isinstance(scale, int | float) else 1.0
    return AttentionBetween(of_heads(queries, keys, pattern, times)), queries.like(given.call.shape)


def of_heads(queries: Place, keys: Place, pattern: Pattern | None, scale: float = 1.0) -> Attention:
    """Return the rule of attention whose queries, keys and values come without weights.

    Args:
        queries: The place of the queries.
        keys: The place of the keys.
        pattern: Who attends to whom.
        scale: What products are multiplied by, times sqrt(d).
    """
    one, count, tokens = Unchanged(), queries.shape[-2], keys.shape[-2]
    return Attention(Given(queries.shape[-1]), one, one, one, tokens, queries=count, pattern=pattern, scale=scale)


def attention_layer(given: Arguments, module: nn.MultiheadAttention) -> RuleAndPlace:
    """Return the rule of an attention layer, and the place of what it gives."""
    queries, keys, _ = three(given)
    padding, mask = given.get(3, "key_padding_mask"), given.get(5, "attn_mask")
    pattern = pattern_of(given, mask, padding, causal=given.flag(7, "is_causal"), hides=True)
    rule = attention(module, queries.shape[0], keys.shape[0], pattern=pattern)
    # Of three signals, also where they are one: what comes back is measured for each.
    return AttentionBetween(rule), Place.last(given.call.shape)


def three(given: Arguments) -> tuple[Place, Place, Place]:
    """Return the places of queries, keys and values, whose units are the last axis.

    Raises:
        NoRuleError: If they are no signals of tokens.
    """
    known = [place for place in given.places[:3] if place is not None and len(place.shape) > 1]
    if len(known) < 3:
        raise NoRuleError("no rule for attention of what is no signal of tokens")
    for one in known:
        if len(one.shape) - 1 not in one.axes:
            raise NoRuleError("no rule for attention whose units are not the last axis")
    return known[0], known[1], known[2]
