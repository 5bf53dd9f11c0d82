"""The layers of a network file before they have shapes: blocks repeated, names resolved."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from propstats.rules.network_file.tables import Table
from propstats.rules.order import INPUT
from propstats.text import printable

#: More than any real network has; `repeat` multiplies, and a file could ask for the moon.
_MOST_LAYERS = 20_000
#: How layers of several inputs name them.
_JOINS = ("add", "concat")


@dataclass(frozen=True, slots=True)
class Draft:
    """A layer whose inputs have names, but no shapes yet.

    Args:
        name: Its name, which no other has.
        kind: What the file calls it; `add` and `concat` have several inputs.
        inputs: The names of the layers that it hears.
        table: What the file says of it.
    """

    name: str
    kind: str
    inputs: tuple[str, ...]
    table: Table


@dataclass(frozen=True, slots=True)
class _Entry:
    """A table of a layer, with the layers inside it."""

    table: Table
    inner: Sequence["_Entry"]


def drafts_of(top: Table, lines: Iterator[int]) -> list[Draft]:
    """Return the layers of a file, in its order.

    Args:
        top: The whole file.
        lines: The lines in which the tables of layers begin, in order.

    Raises:
        ModelError: If there are none, too many, or a name is taken.
    """
    drafts: list[Draft] = []
    _draft(_entries(top, lines), INPUT, drafts, {})
    return drafts


def _entries(parent: Table, lines: Iterator[int]) -> list[_Entry]:
    parent.used.add("layer")
    layers = parent.values.get("layer", [])
    if not isinstance(layers, list) or not all(isinstance(layer, dict) for layer in layers):
        raise parent.error("layer must be a list of tables", "write [[layer]], with two brackets")
    found = []
    for layer in layers:
        line, name = next(lines, 0), layer.get("name", layer.get("kind"))
        label = f"layer {printable(name, limit=60)!r}" if isinstance(name, str) else "layer"
        table = Table(layer, parent.file, line, label)
        found.append(_Entry(table, _entries(table, lines) if "layer" in layer else ()))
    if not found:
        raise parent.error("there are no layers", 'write a table [[layer]] with kind = "dense"')
    return found


def _draft(entries: Sequence[_Entry], first: str, drafts: list[Draft], counts: dict[str, int]) -> str:
    """Note the layers of one block in their order; return the name of the last.

    Args:
        entries: The layers.
        first: What the first of them hears, and what all of them call `input`.
        drafts: Where to note them.
        counts: How often each name was given.
    """
    own, last = {INPUT: first}, first
    wanted: dict[int, tuple[str, ...]] = {}
    for entry in entries:
        table = entry.table
        heard, name = _heard(table), table.text("name", "") or None
        if name is not None and not name.isprintable():
            raise table.error("the name holds characters that cannot be shown", "use letters, digits and signs")
        if name in own:
            raise table.error(f"the name {name!r} is taken", "names must differ")
        for _ in range(table.integer("repeat", 1)):
            if entry.inner:
                last = _draft(entry.inner, last, drafts, counts)
                continue
            if len(drafts) >= _MOST_LAYERS:
                raise table.error(f"the network has more than {_MOST_LAYERS:,} layers")
            kind = next((key for key in _JOINS if table.has(key)), None) or table.text("kind")
            if heard:
                wanted[len(drafts)] = heard
            drafts.append(Draft(_numbered(name, kind, counts), kind, (last,), table))
            last = drafts[-1].name
        if name is not None:
            own[name] = last
        if entry.inner:
            if heard:
                raise table.error("a block hears the layer before it", "name the input inside it")
            table.finish()
    for position, names in wanted.items():
        drafts[position] = replace(drafts[position], inputs=tuple(own.get(name, name) for name in names))
    return last


def _numbered(name: str | None, kind: str, counts: dict[str, int]) -> str:
    """Return a name that no other layer has: what repeats, or has no name, is counted."""
    base = name or kind
    number = counts[base] = counts.get(base, 0) + 1
    return base if name is not None and number == 1 else f"{base}_{number}"


def _heard(table: Table) -> tuple[str, ...]:
    """Return the names of what a layer says that it hears; none if it says nothing."""
    keys = [key for key in ("input", *_JOINS) if table.has(key)]
    if len(keys) > 1:
        raise table.error(f"{' and '.join(keys)} exclude each other", "a layer hears one layer, or joins several")
    table.used.add("input")
    if not keys:
        return ()
    return (table.text("input"),) if keys == ["input"] else table.names(keys[0])
