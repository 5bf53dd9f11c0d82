"""Activations that a network writes out: several functions of single numbers, one after another, are one function.

`0.5 x (1 + tanh(...))` is a function of x alone, and its moments are exact only as such: what its parts receive is not
Gaussian, and its factors are not independent of each other.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from propstats.activations import Activation
from propstats.activations.expression import Expr, Number, Symbol, call, substitute
from propstats.activations.syntax import str_of
from propstats.auditing.expecting.network import Step
from propstats.auditing.measuring.call import Call
from propstats.rules.affine import Affine, Unchanged
from propstats.rules.elementwise import Elementwise
from propstats.rules.join import Add, Difference
from propstats.rules.product import Product

#: So many layers back functions are followed: activations are shorter.
_BACK = 16
_JOINS = {Add: "add", Difference: "sub", Product: "mul"}


@dataclass(frozen=True, slots=True)
class Composition:
    """A call as one function of what an earlier call gave.

    Args:
        source: The earlier call.
        whole: The function.
    """

    source: int
    whole: Elementwise


@dataclass(frozen=True, slots=True)
class _Function:
    """What a call makes of an earlier one's numbers.

    Args:
        formula: The function.
        curved: How many of the calls on the way are not linear.
        inside: The calls on the way.
    """

    formula: Expr
    curved: int
    inside: frozenset[int]


def compositions(calls: Sequence[Call], steps: Sequence[Step]) -> tuple[Mapping[int, Composition], frozenset[int]]:
    """Return the calls that are functions of an earlier one by way of others, and those whose gradients follow them.

    What comes back to a part of such a function is not independent of what it received: nothing is expected of that.

    Args:
        calls: The calls.
        steps: What theory makes of them.
    """
    known: list[dict[int, _Function]] = []
    found: dict[int, Composition] = {}
    follow: set[int] = set()
    for position, (one, step) in enumerate(zip(calls, steps, strict=True)):
        functions = _functions(one, step, steps, known)
        whole = dict(sorted(functions.items())[-_BACK:])
        known.append({position: _Function(Symbol("x"), 0, frozenset()), **whole})
        # Two functions of one call are never independent of each other.
        least = 2 if isinstance(step.rule, Elementwise) else 1
        source = next((s for s, f in whole.items() if f.curved >= least), None)
        if source is None or not isinstance(step.rule, Elementwise | Product | Add | Difference):
            continue
        function = whole[source]
        found[position] = Composition(source, Elementwise(Activation(one.kind, str_of(function.formula))))
        if not isinstance(step.rule, Add | Difference):  # which hand back what they get, whatever they received
            follow |= function.inside
        if isinstance(step.rule, Elementwise):
            follow.add(position)
    return found, frozenset(follow)


def _functions(
    one: Call, step: Step, steps: Sequence[Step], known: Sequence[Mapping[int, _Function]]
) -> dict[int, _Function]:
    """Return the calls that a call is a function of, number by number."""
    made = step.takes(one) if step.rule is not None else []
    if not made or any(source < 0 or output for source, output in made):
        return {}
    if any(steps[source].places[0].shape != step.places[0].shape for source, _ in made):
        return {}
    before = [known[source] for source, _ in made]
    rule, x = step.rule, Symbol("x")
    if isinstance(rule, Elementwise):
        values = {name: Number.of(value) for name, value in rule.activation.params.items()}
        own = substitute(rule.activation.formula, values)
        curved = 1
    elif isinstance(rule, Affine):
        own, curved = call("add", call("mul", Number.of(rule.scale), x), Number.of(rule.shift)), 0
    elif type(rule) is Unchanged:
        own, curved = x, 0
    elif type(rule) in _JOINS and len(before) == 2:
        return _joined(_JOINS[type(rule)], made[0][0], made[1][0], before)
    else:
        return {}
    inside = frozenset([made[0][0]])
    return {
        source: _Function(
            substitute(own, {"x": f.formula}), f.curved + curved, f.inside | (inside if source != made[0][0] else set())
        )
        for source, f in before[0].items()
    }


def _joined(name: str, first: int, second: int, before: Sequence[Mapping[int, _Function]]) -> dict[int, _Function]:
    """Return what a sum or a product of two functions of one call is."""
    return {
        source: _Function(
            call(name, f.formula, before[1][source].formula),
            f.curved + before[1][source].curved + (name == "mul"),
            (f.inside | before[1][source].inside | {first, second}) - {source},
        )
        for source, f in before[0].items()
        if source in before[1]
    }
