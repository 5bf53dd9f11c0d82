"""A network file -> a graph of rules and what is known of its input."""

import json
import os
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from propstats.activations import Activation, activation
from propstats.errors import DomainError, ModelError
from propstats.rules.graph import Graph
from propstats.rules.join import Add, Concatenate
from propstats.rules.network_file.drafts import Draft, drafts_of
from propstats.rules.network_file.layers import build, named_activation
from propstats.rules.network_file.place import Context, Place
from propstats.rules.network_file.tables import Table, json_lines, toml_lines
from propstats.rules.node import Node
from propstats.rules.order import INPUT, Step, in_order
from propstats.rules.rule import Join, Rule
from propstats.rules.statistics import InputStatistics
from propstats.text import printable

#: More than any network file has.
_MOST_BYTES = 1 << 22
#: How many layers an activation may lie behind the weights that a scheme draws for it.
_FAR = 4


@dataclass(frozen=True, slots=True)
class NetworkFile:
    """What a network file says.

    Args:
        name: What the network is called.
        graph: Its layers.
        statistics: What its input is like.
    """

    name: str
    graph: Graph
    statistics: InputStatistics


def read_network(path: str | os.PathLike[str], *, training: bool = True) -> NetworkFile:
    """Read a network from a TOML or a JSON file.

    The shape and the statistics of the input stand at the top, then a table for each layer, in their order; each hears
    the one before unless it says `input = "name"`. A table with `repeat` holds layers of its own.

    Args:
        path: The file, `.toml` or `.json`.
        training: Whether dropout drops.

    Raises:
        ModelError: If the file cannot be read or describes no network; the message names the layer and the line.
    """
    file = Path(path)
    shown = printable(file, limit=200)
    try:
        if file.stat().st_size > _MOST_BYTES:
            raise ModelError(f"{shown}: is larger than any network file ({_MOST_BYTES >> 20} MiB)")
        text = file.read_text(encoding="utf-8")
        values, lines = _parsed(text, as_json=file.suffix.lower() == ".json")
    except OSError as error:
        raise ModelError(f"{shown}: cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise ModelError(f"{shown}: is no text", "a network file is TOML or JSON in UTF-8") from None
    except (tomllib.TOMLDecodeError, json.JSONDecodeError, RecursionError) as error:
        kind = "JSON" if file.suffix.lower() == ".json" else "TOML"
        raise ModelError(f"{shown}: is not {kind}: {printable(error, limit=200)}") from None
    if not isinstance(values, dict):
        raise ModelError(f"{shown}: must be a table with input and layer, not a {type(values).__name__}")
    top = Table(values, shown, 0, "the network")
    statistics, place = _input(top)
    name = printable(top.text("name", file.stem), limit=200)
    drafts = drafts_of(top, iter(lines))
    top.finish()
    nodes = _nodes(drafts, place, training)
    try:
        return NetworkFile(name, Graph(nodes, place.units, place.positions), statistics)
    except ModelError as error:
        raise ModelError(f"{shown}: {error.message}", error.hint) from None


def _parsed(text: str, *, as_json: bool) -> tuple[Any, list[int]]:
    if as_json:
        return json.loads(text), json_lines(text)
    return tomllib.loads(text), toml_lines(text)


def _input(top: Table) -> tuple[InputStatistics, Place]:
    """Return the statistics and the shape of the network's input."""
    tokens = top.integer("tokens") if top.has("tokens") else None
    shape = top.values.get("input")
    top.used |= {"input", "tokens"}
    if shape is None and tokens is None:
        raise top.error("input is missing", "input = [3, 32, 32] is 3 channels of 32x32, input = [64] a vector")
    sizes = [1] if shape is None else shape if isinstance(shape, list) else [shape]
    if not sizes or not all(isinstance(size, int) and not isinstance(size, bool) and size > 0 for size in sizes):
        raise top.error("input must be a list of positive whole numbers", "channels first: input = [3, 32, 32]")
    if tokens is not None and len(sizes) > 1:
        raise top.error("input must be one number where there are tokens", "input = [512] and tokens = 128")
    statistics = InputStatistics(
        mean=top.number("mean", 0.0),
        std=top.number("std", 1.0),
        correlation=top.number("correlation", 0.0),
        position_correlation=top.number("position_correlation", 0.0),
    )
    try:
        statistics.check()
    except DomainError as error:
        raise top.error(error.message, error.hint) from None
    return statistics, Place(sizes[0], top.positions(sizes[1:] if tokens is None else [tokens]))


def _nodes(drafts: list[Draft], place: Place, training: bool) -> list[Node]:
    """Give every layer its shape and its rule."""
    where = {draft.name: draft.table.where for draft in drafts}
    steps = [Step(draft.name, draft.inputs, where[draft.name]) for draft in drafts]
    order = [drafts[position] for position in in_order(steps)]
    hearers: dict[str, list[Draft]] = {}
    for draft in order:
        for name in draft.inputs:
            hearers.setdefault(name, []).append(draft)
    places, nodes = {INPUT: place}, []
    for draft in order:
        heard = [places[name] for name in draft.inputs]
        rule: Rule | Join
        if draft.kind in ("add", "concat"):
            rule, after = _joined(draft, heard)
        else:
            context = Context(training, _following(draft, hearers))
            rule, after = build(draft.kind, draft.table, heard[0], context)
        draft.table.finish()
        places[draft.name] = after
        nodes.append(Node(draft.name, draft.kind, rule, draft.inputs, after.units, after.positions, where[draft.name]))
    return nodes


def _joined(draft: Draft, heard: list[Place]) -> tuple[Join, Place]:
    """Return the rule of a sum or of units side by side."""
    first = heard[0]
    if draft.kind == "add":
        if any(place != first for place in heard):
            shapes = ", ".join(f"{name} {place}" for name, place in zip(draft.inputs, heard, strict=True))
            raise draft.table.error(f"what is added must have one shape, got {shapes}")
        return Add(), first
    if any(place.positions != first.positions for place in heard):
        raise draft.table.error("what is put side by side must have the same positions")
    units = tuple(place.units for place in heard)
    return Concatenate(units), Place(sum(units), first.positions)


def _following(draft: Draft, hearers: dict[str, list[Draft]]) -> Activation:
    """Return the activation that a layer's output meets first, past layers that only normalise; else the identity."""
    seen = 0
    while hearers.get(draft.name) and seen < _FAR:
        draft, seen = hearers[draft.name][0], seen + 1
        found = named_activation(draft.kind)
        if found is not None and draft.kind != "identity":
            return found.with_params(**{k: draft.table.number(k, v) for k, v in found.params.items()})
        if not draft.kind.endswith("norm"):
            break
    return activation("identity")
