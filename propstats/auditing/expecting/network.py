"""The graph of rules of a measured network: a rule for each recorded call, or the reason why there is none."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from torch import nn

from propstats.auditing.expecting.arguments import Arguments
from propstats.auditing.expecting.attending import attention_layer
from propstats.auditing.expecting.functions import function_rule
from propstats.auditing.expecting.layer_functions import turned
from propstats.auditing.expecting.places import Place, RuleAndPlace
from propstats.auditing.expecting.views import VIEWS, reshape, upsampled
from propstats.auditing.expecting.written_norm import Normed, find_norms, rule_of_norm
from propstats.auditing.expecting.written_out import Written, find_written
from propstats.auditing.expecting.written_rules import attention_of, part_of, values_behind, values_of
from propstats.auditing.measuring.call import INPUT, OUTSIDE, Call, Maker
from propstats.errors import DomainError
from propstats.rules.affine import Chain, Unchanged
from propstats.rules.from_torch import NoRuleError, rule_for
from propstats.rules.from_torch_modules import standing_rule
from propstats.rules.from_torch_reader import UNITS_FIRST, UNITS_LAST
from propstats.rules.parts import Turned
from propstats.rules.rule import Join, Rule
from propstats.text import reason_of

#: Functions that tell where the units of what they get are.
_LAST_FUNCTIONS = ("linear", "layer_norm", "rms_norm", "embedding")


@dataclass(frozen=True, slots=True)
class Step:
    """One call as theory sees it.

    Args:
        rule: Its rule; None where there is none.
        reason: Why there is none.
        heard: The tensor inputs that the rule takes, in its order.
        places: Where the units of each of its outputs are.
        sources: Who made what the rule takes, where these are not the call's own inputs: a call and its output each.
    """

    rule: Rule | Join | None
    reason: str | None
    heard: tuple[int, ...]
    places: tuple[Place, ...]
    sources: tuple[Maker, ...] = ()

    def takes(self, call: Call) -> list[Maker]:
        """Return who made what the rule takes, in its order."""
        return list(self.sources) or [call.makers[slot] for slot in self.heard]

    @property
    def rule_of_units(self) -> Rule | Join | None:
        """The rule of a signal whose units are where the call takes them to be."""
        is_turned = isinstance(self.rule, Chain) and isinstance(self.rule.rules[0], Turned)
        return self.rule.rules[1] if is_turned and isinstance(self.rule, Chain) else self.rule


def steps_of(calls: Sequence[Call], shape: Sequence[int]) -> list[Step]:
    """Return what theory makes of each call.

    Args:
        calls: The calls, in the order of the forward pass.
        shape: Shape of the network's input, without the batch.
    """
    steps: list[Step] = []
    start, written, norms = place_of_input(calls, tuple(shape)), find_written(calls), find_norms(calls)
    for position, call in enumerate(calls):
        places = _signals(call, [_place(maker, calls, steps, start) for maker in call.makers])
        if position in written:
            one = written[position]
            heads = [_place(maker, calls, steps, start) for maker in (one.query, one.key)]
            steps.append(_attention(call, position, one, places, heads, calls))
        elif position in norms:
            norm = norms[position]
            steps.append(_norm(call, position, norm, _place(norm.source, calls, steps, start)))
        else:
            steps.append(_step(call, places))
        steps[-1] = _folded(steps[-1], call)
    return steps


def _folded(step: Step, call: Call) -> Step:
    """Say of which outputs parts of samples lie with the samples in one dimension."""
    is_folded = [layout is not None and layout.fold > 1 and layout.axis == 0 for layout in call.output_layouts]
    if not any(is_folded):
        return step
    pairs = zip(step.places, is_folded, strict=False)
    return replace(step, places=tuple(replace(place, folded=one and place.batch == 0) for place, one in pairs))


def _attention(
    call: Call,
    position: int,
    written: Written,
    places: tuple[Place | None, ...],
    heads: Sequence[Place | None],
    calls: Sequence[Call],
) -> Step:
    """Return what theory makes of a part of attention that is written out."""
    place = next((place for place in places if place is not None), Place.usual(call.shape))
    after = (place.like(call.shape),)
    (queries, keys), product = heads, calls[written.product]
    try:
        if queries is None or keys is None:
            raise NoRuleError("no rule for attention of what is no signal of tokens")
        rule = part_of(written, position, attention_of(written, queries, keys, product))
    except NoRuleError as error:
        return Step(None, str(error), (), after)
    if position in written.masks:
        return Step(rule, None, (call.main or 0,), after)
    made = (written.query, written.key)
    if position == written.mixes:
        slot = values_of(written, calls, position)
        after = (values_behind(call, slot, places[slot] or place),)
        return Step(rule, None, (), after, (*made, call.makers[slot]))
    return Step(rule, None, (), after, made)


def _norm(call: Call, position: int, norm: Normed, source: Place | None) -> Step:
    """Return what theory makes of a part of a norm that is written out: the last does it all."""
    after = ((source or Place.usual(call.shape)).like(call.shape),)
    if position != norm.result:
        return Step(None, None, (), after)
    try:
        return Step(rule_of_norm(norm, source), None, (), after, (norm.source,))
    except NoRuleError as error:
        return Step(None, str(error), (), after)


def _signals(call: Call, places: Sequence[Place | None]) -> tuple[Place | None, ...]:
    """Leave out masks and the like beside what carries the signal."""
    carried = tuple(None if slot in call.values else place for slot, place in enumerate(places))
    return carried if any(carried) else tuple(places)


def _place(maker: Maker, calls: Sequence[Call], steps: Sequence[Step], start: Place) -> Place | None:
    source, output = maker
    if source == OUTSIDE or (source >= 0 and calls[source].is_constant):
        return None
    return start if source == INPUT else steps[source].places[output]


def place_of_input(calls: Sequence[Call], shape: tuple[int, ...]) -> Place:
    """Return where the units of the network's input are: as the first call that knows says.

    Args:
        calls: The calls.
        shape: Shape of the input, without the batch.
    """
    for call in calls:
        if isinstance(call.module, UNITS_LAST) or call.kind in _LAST_FUNCTIONS:
            # A vector that is flattened first was an image.
            return Place.last(shape) if len(shape) < 3 else Place.first(shape)
        if isinstance(call.module, UNITS_FIRST) or call.kind.startswith("conv"):
            return Place.first(shape)
    return Place.usual(shape)


def _step(call: Call, places: tuple[Place | None, ...]) -> Step:
    after = tuple(Place.usual(shape) for shape in call.output_shapes)
    heard = tuple(slot for slot, place in enumerate(places) if place is not None)
    try:
        if not heard:
            raise NoRuleError("its input is not part of the signal")
        given = Arguments(call, places)
        rule, place = _found(call, given)
        before = given.places[heard[0]]
        if before is not None and before.batch and not place.batch and len(before.shape) == len(place.shape):
            place = replace(place, batch=0 if call.kind in VIEWS else before.batch)
        if not isinstance(rule, Join):
            heard = heard[:1]
        if len(call.changed) > 1:
            raise NoRuleError("no rule for changing several tensors in place")
        return Step(rule, None, heard, _outputs(call, place))
    except NoRuleError as error:
        reason = str(error) if call.carries_signal or call.module is not None else None  # nothing is asked of masks
        return Step(None, reason, heard, _after_unknown(call, places, after))
    except (DomainError, ValueError, IndexError, TypeError, AssertionError, ZeroDivisionError) as error:
        # Somebody else's network may call its layers in ways that no rule thinks of.
        return Step(None, f"no rule for {call.kind} as it is called here: {reason_of(error)}", heard, after)


def _found(call: Call, given: Arguments) -> RuleAndPlace:
    module = call.module
    if module is None:
        return function_rule(given)
    if isinstance(module, nn.MultiheadAttention):
        return attention_layer(given, module)
    slot = given.signals()[0]
    place = given.places[slot]
    assert place is not None
    if isinstance(module, nn.Flatten | nn.Unflatten):
        return reshape(place, call.shape)
    if isinstance(module, nn.Upsample):
        return upsampled(module, place, call.shape)
    shape = call.input_shapes[slot]
    if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d):
        rule = rule_for(module, shape)
    else:
        rule = standing_rule(module, shape, False)
    if isinstance(module, nn.Embedding):
        return rule, Place.last(call.shape)
    if isinstance(module, UNITS_LAST):
        return turned(rule, place, Place.last(place.shape)), Place.last(call.shape)
    if isinstance(module, UNITS_FIRST) or "Pool" in type(module).__name__:
        return turned(rule, place, Place.first(place.shape)), Place.first(call.shape)
    return rule, place.like(call.shape)


def _outputs(call: Call, place: Place) -> tuple[Place, ...]:
    """Return the places of all outputs: those of equal rank have their units where the first has them."""
    return tuple(place.like(shape) for shape in call.output_shapes)


def _after_unknown(call: Call, places: Sequence[Place | None], usual: tuple[Place, ...]) -> tuple[Place, ...]:
    """Return where units are after a call without a rule: where they were, as long as the rank is the same."""
    place = next((place for place in places if place is not None), None)
    if place is None:
        return usual
    return tuple(
        place.like(shape) if len(shape) == len(place.shape) else there
        for shape, there in zip(call.output_shapes, usual, strict=True)
    )


def is_shown(step: Step, call: Call) -> bool:
    """Whether a call is a layer to readers: a module, or a function that does more than rearrange numbers."""
    return call.module is not None or (step.rule is not None and not isinstance(step.rule, Unchanged))
