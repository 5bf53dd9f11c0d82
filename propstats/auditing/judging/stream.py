"""Where all of the signal passes: branches are judged by what they join, not by what they carry themselves.

A gate that is the same for all inputs, or queries that hardly matter yet, lose nothing that another way does not keep.
"""

import math
from collections.abc import Mapping, Sequence

from propstats.auditing.measuring.call import INPUT, Call
from propstats.auditing.records import Layer
from propstats.rules.pooling import AveragePool


def all_passes(calls: Sequence[Call], result: int) -> list[bool]:
    """Return for each call whether every way from the network's input to its output leads through it.

    Args:
        calls: The calls, in the order of the forward pass.
        result: The call that gives the network's output; negative if that is unknown: then the last.
    """
    end = result if result >= 0 else len(calls) - 1
    used = {end}
    ways: list[tuple[int, int]] = []
    for position in range(end, -1, -1):
        call = calls[position]
        if position not in used or not call.carries_signal or call.is_constant:
            continue
        for source in _heard(call, calls):
            used.add(source)
            ways.append((source, position))
    # Calls are in order: a way from a call before to a call behind leads around those between.
    around = [0] * (len(calls) + 1)
    for source, position in ways:
        around[source + 1] += 1
        around[position] -= 1
    found, open_ways = [], 0
    for position in range(len(calls)):
        open_ways += around[position]
        found.append(position in used and open_ways == 0)
    return found


def _heard(call: Call, calls: Sequence[Call]) -> list[int]:
    """Return where the signal of a call comes from: not masks, but tokens where it makes a signal of them."""
    made = [(slot, source) for slot, source in enumerate(call.sources) if source >= INPUT]
    signal = [source for slot, source in made if slot not in call.values and _varies(source, calls)]
    return signal or [source for _, source in made if source == INPUT]


def _varies(source: int, calls: Sequence[Call]) -> bool:
    return source == INPUT or (calls[source].carries_signal and not calls[source].is_constant)


def stations(layers: Sequence[Layer], calls: Sequence[Call], result: int) -> Mapping[tuple[str, int], Layer]:
    """Return for each layer the layer at which all of the signal is together again: itself, where all passes it.

    Args:
        layers: The layers.
        calls: All calls; none, for layers that follow each other.
        result: The call that gives the network's output.
    """
    whole = {(call.name, call.index) for call, all_ in zip(calls, all_passes(calls, result), strict=True) if all_}
    found: dict[tuple[str, int], Layer] = {}
    station: Layer | None = None
    for layer in reversed(layers):
        key = layer.name, layer.call
        if key in whole and layer.backward.output is not None:
            station = layer
        found[key] = station or layer
    return found


def averaged(calls: Sequence[Call], result: int) -> Mapping[tuple[str, int], tuple[float, float]]:
    """Return what averages over positions take of the variance, and of the gradient's squared norm: to be given back.

    What differs between positions is meant to go. Backwards, each position gets its share of the gradient, and the
    filters before it, whose gradients are sums over positions, get all of it.

    Args:
        calls: All calls.
        result: The call that gives the network's output.
    """
    found: dict[tuple[str, int], tuple[float, float]] = {}
    for call, all_ in zip(calls, all_passes(calls, result), strict=True):
        if not (all_ and isinstance(call.rule, AveragePool) and call.input.is_finite and call.output.is_finite):
            continue
        sizes = math.prod(call.shape) / math.prod(call.input_shapes[call.main or 0])
        if sizes >= 1.0:  # it enlarges
            continue
        after, behind = call.output.var, call.gradient_input
        variance = call.input.var / after if after > 0.0 else 1.0
        norm = 1.0
        if behind.is_measured and call.gradient_output.is_measured and behind.running.mean > 0.0:
            norm = sizes * call.gradient_output.running.mean / behind.running.mean
        found[call.name, call.index] = variance, norm
    return found
