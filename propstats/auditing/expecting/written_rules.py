"""The rules of attention that a network writes out: what its parts do, once they are found."""

import math
from collections.abc import Sequence

import numpy as np

from propstats.auditing.expecting.einsum import Equation, axes_of, sizes_of
from propstats.auditing.expecting.masks import pattern_from
from propstats.auditing.expecting.places import Place
from propstats.auditing.expecting.written_out import Written, keeps
from propstats.auditing.measuring.call import OUTSIDE, Call
from propstats.rules.affine import Unchanged
from propstats.rules.attention import Attention, AttentionBetween, AttentionWeights, Given
from propstats.rules.from_torch import NoRuleError
from propstats.rules.rule import Join, Rule


def values_of(written: Written, calls: Sequence[Call], position: int) -> int:
    """Return which input of the product behind a softmax are the values."""
    call = calls[position]
    if call.kind != "einsum":
        return 1
    return 0 if call.sources[1] != OUTSIDE and _comes_from(call.sources[1], written.softmax, calls) else 1


def _comes_from(source: int, softmax: int, calls: Sequence[Call]) -> bool:
    before: int | None = source
    while before is not None and before > softmax and keeps(calls[before]):
        before = calls[before].source
    return before == softmax


def values_behind(call: Call, slot: int, values: Place) -> Place:
    """Return where units are behind the product of weights and values.

    Args:
        call: The product.
        slot: Which of its inputs are the values.
        values: Where their units are.
    """
    if call.kind != "einsum":
        return values.like(call.shape)
    dims = [len(shape) + 1 - values.folded for shape in call.input_shapes]
    terms = Equation.of(str(call.args[0]), dims[0], dims[1])
    return terms.place_behind(terms.right if slot else terms.left, values, call.shape)


def attention_of(written: Written, queries: Place, keys: Place, product: Call) -> Attention:
    """Return the rule of attention that is written out.

    Args:
        written: Its parts.
        queries: The place of the queries.
        keys: The place of the keys.
        product: The call that multiplies them.

    Raises:
        NoRuleError: If it has none, with the reason.
    """
    if written.reason:
        raise NoRuleError(written.reason)
    count, units, tokens = _counted(queries, keys, product, is_turned=written.query[0] != product.sources[0])
    pattern = None
    if written.added is not None:
        shape = np.broadcast_shapes(written.added.shape, (count, tokens))
        pattern = pattern_from(np.broadcast_to(written.added, shape), queries.dims)
    one = Unchanged()
    scale = written.scale * math.sqrt(units)
    return Attention(Given(units), one, one, one, tokens, queries=count, pattern=pattern, scale=scale)


def _counted(queries: Place, keys: Place, product: Call, *, is_turned: bool) -> tuple[int, int, int]:
    """Return how many queries, units and keys a product has.

    Raises:
        NoRuleError: If it does not sum over units.
    """
    if product.kind != "einsum":
        rank = len(queries.shape)
        if rank < 2 or rank - 1 not in queries.axes or len(keys.shape) - 2 not in keys.axes:
            raise NoRuleError("no rule for attention whose queries and keys have their units elsewhere")
        return queries.shape[-2], queries.shape[-1], keys.shape[-1]
    dims = queries.dims, keys.dims
    terms = Equation.of(str(product.args[0]), *(dims[::-1] if is_turned else dims))
    terms = terms.turned if is_turned else terms
    sizes = sizes_of(terms.left, queries) | sizes_of(terms.right, keys)
    units = axes_of(terms.left, queries) & axes_of(terms.right, keys)
    asking = set(terms.left) & set(terms.result) - set(terms.right)
    answering = set(terms.right) & set(terms.result) - set(terms.left)
    if not terms.summed or not terms.summed <= units or answering != {terms.result[-1]} or len(asking) != 1:
        raise NoRuleError("no rule for attention whose queries and keys have their units elsewhere")
    return sizes[asking.pop()], math.prod(sizes[letter] for letter in terms.summed), sizes[terms.result[-1]]


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
