"""Sums of branches that part and meet again with no random weights between: they are functions of one signal.

`x + phi(x)` is not a sum of independent signals. Where all branches of a sum are functions of the units of one layer,
unit by unit, the sum is such a function as well, and its moments are exact: `E[(x + phi(x))^2]`, and backwards
`E[(1 + phi'(x))^2]` instead of `1 + E[phi'^2]`.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from heapq import heapify, heappop, heappush

from propstats.activations import Activation
from propstats.activations.expression import Expr, Number, Symbol, call, substitute
from propstats.activations.syntax import str_of
from propstats.rules.affine import Affine, Chain, Unchanged
from propstats.rules.attention import Attention, AttentionBetween
from propstats.rules.dense import Weights
from propstats.rules.elementwise import Elementwise
from propstats.rules.embedding import Embedding
from propstats.rules.join import Add
from propstats.rules.node import Node
from propstats.rules.rule import Join, Rule
from propstats.signals import Gradient, Signal

#: Rules whose random weights leave nothing of their input to correlate with.
_RANDOM = (Weights, Attention, AttentionBetween, Embedding)


@dataclass(frozen=True, slots=True)
class Shared:
    """A sum whose branches share a source without weights in between.

    Args:
        source: The layer where they part.
        together: The sum as one function of it; None where a branch is no function of one unit, so that the branches
            count as independent although they are not.
        branches: Each branch as such a function.
    """

    source: str
    together: Elementwise | None
    branches: tuple[Elementwise, ...]

    def forward(self, signal: Signal) -> Signal:
        """Return the signal after the sum, from that of the source."""
        assert self.together is not None
        return self.together.forward(signal)

    def correction(self, gradient: Gradient, signal: Signal) -> Gradient:
        """Return what the gradient at the source lacks when its parts are added as if uncorrelated."""
        assert self.together is not None
        whole = self.together.backward(gradient, signal)
        apart = [branch.backward(gradient, signal) for branch in self.branches]
        q, positions = (whole.q - sum(p.q for p in apart), whole.positions - sum(p.positions for p in apart))
        return Gradient(q, 0.0, positions)


def find_shared(order: Sequence[Node]) -> Mapping[str, Shared]:
    """Return the sums whose branches share a source, by the name of the sum.

    Args:
        order: The layers, each after those that it hears.
    """
    by_name = {node.name: node for node in order}
    places = {node.name: place for place, node in enumerate(order)}
    sums = (node for node in order if isinstance(node.rule, Add))
    return {node.name: found for node in sums if (found := _shared(node, by_name, places)) is not None}


def _shared(node: Node, by_name: Mapping[str, Node], places: Mapping[str, int]) -> Shared | None:
    paths = [list(_unit_by_unit(name, by_name)) for name in node.inputs]
    for source, _ in paths[0]:
        formulas = [dict(path).get(source) for path in paths]
        if all(formula is not None for formula in formulas):
            known = [formula for formula in formulas if formula is not None]
            total = known[0]
            for formula in known[1:]:
                total = call("add", total, formula)
            return Shared(source, _elementwise(total), tuple(_elementwise(formula) for formula in known))
    common = _common(node.inputs, by_name, places)
    return Shared(common, None, ()) if common is not None else None


def _elementwise(formula: Expr) -> Elementwise:
    return Elementwise(Activation("sum of branches", str_of(formula)))


def _unit_by_unit(name: str, by_name: Mapping[str, Node]) -> Iterator[tuple[str, Expr]]:
    """Yield the layers before one, nearest first, with the function of their units that it is."""
    formula: Expr = Symbol("x")
    while True:
        yield name, formula
        node = by_name.get(name)
        inner = _formula(node) if node is not None else None
        if node is None or inner is None:
            return
        formula, name = substitute(formula, {"x": inner}), node.inputs[0]


def _formula(node: Node) -> Expr | None:
    """Return what a layer does to each unit, or None."""
    formula: Expr = Symbol("x")
    for rule in _rules(node):
        if isinstance(rule, Elementwise):
            values = {name: Number.of(value) for name, value in rule.activation.params.items()}
            formula = substitute(rule.activation.formula, {"x": formula, **values})
        elif isinstance(rule, Affine):
            formula = call("add", call("mul", Number.of(rule.scale), formula), Number.of(rule.shift))
        elif not isinstance(rule, Unchanged):
            return None
    return formula


def _common(names: Sequence[str], by_name: Mapping[str, Node], places: Mapping[str, int]) -> str | None:
    """Return the last layer that two can be traced back to without passing random weights, or None.

    Layers are looked at from the last one back, until all that is left belongs to one branch: a residual network is
    not walked to its beginning for each of its sums.
    """
    branches: dict[str, set[int]] = {}
    for branch, name in enumerate(names):
        branches.setdefault(name, set()).add(branch)
    waiting = [(-places.get(name, -1), name) for name in branches]
    heapify(waiting)
    left = Counter(branch for reached in branches.values() for branch in reached)
    while len(left) > 1:
        _, name = heappop(waiting)
        reached = branches.pop(name)
        if len(reached) > 1:
            return name
        left -= Counter(reached)
        node = by_name.get(name)
        if node is None or any(isinstance(rule, _RANDOM) for rule in _rules(node)):
            continue
        for before in node.inputs:
            if before not in branches:
                heappush(waiting, (-places.get(before, -1), before))
            new = reached - branches.setdefault(before, set())
            branches[before] |= new
            left += Counter(new)
    return None


def _rules(node: Node) -> Sequence[Rule | Join]:
    return node.rule.rules if isinstance(node.rule, Chain) else [node.rule]
