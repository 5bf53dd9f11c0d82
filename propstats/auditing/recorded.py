"""A torch module -> a graph of rules, by running it on random data: for networks that cannot be traced."""

import math
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import nn

from propstats.auditing.expecting.network import Step, place_of_input, steps_of
from propstats.auditing.expecting.places import Place
from propstats.auditing.expecting.rule_graph import name_of
from propstats.auditing.measuring.call import Call, Maker
from propstats.auditing.probing import probe
from propstats.errors import ModelError
from propstats.rules.affine import Unchanged
from propstats.rules.attention import AttentionBetween
from propstats.rules.from_torch_modules import standing_rule
from propstats.rules.graph import Graph
from propstats.rules.node import Node
from propstats.rules.order import INPUT
from propstats.rules.parts import Part

#: Which positions are taken out, as a token that stands for a class is, is measured on so many random inputs.
_SAMPLES = 64
#: Layers that do something else in training, or whose running statistics say nothing before it.
_STANDING = (
    nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d,
)  # fmt: skip


def recorded_graph(module: nn.Module, shape: Sequence[int], *, training: bool = True) -> Graph:
    """Return the graph of what a module does with random inputs of a shape.

    Args:
        module: The module; it is left as it was.
        shape: Shape of its input, without the batch; of one axis, for a network with embeddings, so many tokens.
        training: Whether dropout drops.

    Raises:
        ModelError: If the module cannot be run, or has a layer without a rule; the message names it.

    >>> [node.kind for node in recorded_graph(nn.Sequential(nn.Linear(3, 4), nn.ReLU()), (3,)).nodes]
    ['Linear', 'ReLU']
    """
    tables = [part.num_embeddings for part in module.modules() if isinstance(part, nn.Embedding)]
    generator, sizes = torch.Generator().manual_seed(0), tuple(shape)
    is_tokens = bool(tables) and len(sizes) == 1
    if is_tokens:
        data = torch.randint(min(tables), (_SAMPLES, *sizes), generator=generator)
    else:
        data = torch.randn(_SAMPLES, *sizes, generator=generator)
    found = probe(module, data)
    steps = steps_of(found.calls, sizes)
    nodes = _Nodes(found.calls, steps, training)
    output = nodes.heard((found.result, 0))
    start = Place.last((*sizes, 1)) if is_tokens else place_of_input(found.calls, sizes)
    return Graph(nodes.before(output), start.units, start.positions)


class _Nodes:
    """The nodes of recorded calls; those that only rearrange numbers are left out."""

    def __init__(self, calls: Sequence[Call], steps: Sequence[Step], training: bool) -> None:
        self._calls, self._steps, self._training = calls, steps, training
        self._found: dict[str, Node] = {}

    def heard(self, maker: Maker) -> str:
        """Return the name of the node that gives a tensor, which is made if it is not there yet.

        Raises:
            ModelError: If there is no rule for it.
        """
        waiting = [maker]
        while waiting:  # no recursion: networks are deep
            source, output = waiting[-1]
            missing = [] if source < 0 or self._name(source, output) in self._found else self._takes(source)
            missing = [one for one in missing if one[0] >= 0 and self._name(*one) not in self._found]
            if missing:
                waiting += missing
                continue
            if source >= 0:
                self._make(source, output)
            waiting.pop()
        return self._name(*maker)

    def before(self, output: str) -> list[Node]:
        """Return what a node hears, directly or not, and itself, without what changes nothing.

        Raises:
            ModelError: If nothing is left.
        """
        instead: dict[str, str] = {INPUT: INPUT}
        kept = []
        for name, node in self._found.items():
            inputs = tuple(instead[one] for one in node.inputs)
            instead[name] = name
            if isinstance(node.rule, Unchanged) and node.kind not in vars(nn):
                instead[name] = inputs[0]
            else:
                kept.append(replace(node, inputs=inputs))
        if not kept or instead[output] == INPUT:
            raise ModelError("the network has no layers")
        return kept

    def _takes(self, position: int) -> list[Maker]:
        call, step = self._calls[position], self._steps[position]
        if step.rule is None and step.reason is not None:
            hint = "write the network down in a TOML file, see docs/commands.md"
            raise ModelError(f"layer {call.name!r}: {step.reason}", hint)
        return step.takes(call)

    def _name(self, source: int, output: int) -> str:
        if source < 0:
            return name_of(source)
        call, splits = self._calls[source], len(self._steps[source].places) > 1
        name = call.name if call.index == 0 else f"{call.name}#{call.index}"
        return f"{name}.{output}" if splits and isinstance(self._steps[source].rule, Unchanged) else name

    def _make(self, source: int, output: int) -> None:
        call, step, name = self._calls[source], self._steps[source], self._name(source, output)
        if name in self._found:
            return
        rule, place = step.rule, step.places[output]
        if rule is None:
            raise ModelError(f"layer {call.name!r}: its input is not part of the signal")
        if isinstance(rule, Unchanged) and len(step.places) > 1:
            sizes = [math.prod(one.shape) for one in step.places]
            rule = Part(sizes[output] / sum(sizes), positions=place.count > 1)
        elif isinstance(call.module, _STANDING):
            rule = standing_rule(call.module, call.input_shapes[0], self._training)
        elif isinstance(rule, AttentionBetween) and isinstance(call.module, nn.MultiheadAttention) and self._training:
            rule = AttentionBetween(replace(rule.attention, dropout=call.module.dropout))
        inputs = tuple(self._name(*maker) for maker in step.takes(call))
        self._found[name] = Node(name, call.kind, rule, inputs, place.units, place.positions)
