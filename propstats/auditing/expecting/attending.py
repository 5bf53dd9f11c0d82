"""The rules of attention: the layer of torch, and the function."""

from torch import nn

from propstats.auditing.expecting.arguments import Arguments
from propstats.auditing.expecting.places import Place
from propstats.rules.affine import Unchanged
from propstats.rules.attention import Attention, AttentionBetween, Given
from propstats.rules.from_torch import NoRuleError
from propstats.rules.from_torch_modules import attention
from propstats.rules.rule import Join, Rule

Found = tuple[Rule | Join, Place]


def attention_of(given: Arguments, place: Place) -> Found:
    """Return the rule of scaled dot-product attention, and the place of what it gives."""
    if given.get(3, "attn_mask") is not None or given.flag(5, "is_causal"):
        raise NoRuleError("no rule for masked attention: each token attends to another number of them")
    if given.get(6, "scale") is not None:
        raise NoRuleError("no rule for attention with a scale of its own")
    queries, keys, values = _three(given)
    for one in (queries, keys, values):
        if len(one.shape) - 1 not in one.axes:
            raise NoRuleError("no rule for attention whose units are not the last axis")
    rule = Attention(
        Given(queries.shape[-1]), Unchanged(), Unchanged(), Unchanged(), keys.shape[-2], queries=queries.shape[-2]
    )
    return AttentionBetween(rule), queries.like(given.call.shape)


def attention_layer(given: Arguments, module: nn.MultiheadAttention) -> Found:
    """Return the rule of an attention layer, and the place of what it gives."""
    masks = (given.get(3, "key_padding_mask"), given.get(5, "attn_mask"))
    if any(mask is not None for mask in masks) or given.flag(7, "is_causal"):
        raise NoRuleError("no rule for masked attention: each token attends to another number of them")
    queries, keys, _ = _three(given)
    rule = attention(module, queries.shape[0], keys.shape[0])
    # Of three signals, also where they are one: what comes back is measured for each.
    return AttentionBetween(rule), Place.last(given.call.shape)


def _three(given: Arguments) -> tuple[Place, Place, Place]:
    known = [place for place in given.places[:3] if place is not None and len(place.shape) > 1]
    if len(known) < 3:
        raise NoRuleError("no rule for attention of what is no signal of tokens")
    return known[0], known[1], known[2]
