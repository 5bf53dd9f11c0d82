"""Tables of a network file: checked access to their keys, and the line that each begins in."""

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from propstats.errors import ModelError
from propstats.text import printable

_HEADER = re.compile(r"^[ \t]*\[\[[ \t]*layer(?:[ \t]*\.[ \t]*layer)*[ \t]*\]\]", re.MULTILINE)
_JSON_LAYERS = re.compile(r'"layer"\s*:\s*\[')
#: Terms are counted position by position along each axis.
MOST_POSITIONS = 1 << 16
_KINDS: Mapping[type, str] = {int: "a whole number", float: "a number", str: "a text", bool: "true or false"}


@dataclass
class Table:
    """One table of a network file.

    Args:
        values: Its keys and values.
        file: Name of the file.
        line: Where it begins, from 1; 0 where that is not known.
        label: What it is called in messages.
    """

    values: Mapping[str, Any]
    file: str
    line: int
    label: str
    used: set[str] = field(default_factory=set)

    @property
    def where(self) -> str:
        """The place, as a prefix of messages."""
        at = f", line {self.line}" if self.line else ""
        return f"{self.file}{at}: "

    def error(self, message: str, hint: str = "") -> ModelError:
        """Build an error about this table."""
        return ModelError(f"{self.where}{self.label}: {message}", hint)

    def has(self, key: str) -> bool:
        """Whether a key is there."""
        return key in self.values

    def text(self, key: str, default: str | None = None) -> str:
        """Return a text."""
        return str(self._get(key, str, default))

    def flag(self, key: str, default: bool = False) -> bool:
        """Return true or false."""
        return bool(self._get(key, bool, default))

    def number(self, key: str, default: float | None = None, *, least: float = -math.inf) -> float:
        """Return a finite number that is not below another."""
        value = float(self._get(key, float, default))
        if not math.isfinite(value) or value < least:
            bound = "be finite" if least == -math.inf else f"be at least {least:g}"
            raise self.error(f"{key} must {bound}, got {value:g}")
        return value

    def integer(self, key: str, default: int | None = None, *, least: int = 1) -> int:
        """Return a whole number that is not below another."""
        value = int(self._get(key, int, default))
        if value < least:
            raise self.error(f"{key} must be at least {least}, got {value}")
        return value

    def positions(self, sizes: Sequence[int]) -> tuple[int, ...]:
        """Return sizes of axes, none of which is beyond counting.

        Raises:
            ModelError: If one is.
        """
        if any(size > MOST_POSITIONS for size in sizes):
            raise self.error(f"an axis of {max(sizes):,} positions is beyond {MOST_POSITIONS:,}", "use a smaller one")
        return tuple(sizes)

    def integers(self, key: str, default: int | None, axes: int, *, least: int = 1) -> tuple[int, ...]:
        """Return a whole number for each axis; a single one stands for all."""
        value = self.values.get(key, default)
        if not isinstance(value, Sequence) or isinstance(value, str):
            return self.positions((self.integer(key, default, least=least),) * axes)
        self.used.add(key)
        if len(value) != axes or not all(_is(entry, int) and entry >= least for entry in value):
            listed = printable(json.dumps(value, default=str), limit=60)
            raise self.error(f"{key} must be a whole number, at least {least}, for each of {axes} axes, got {listed}")
        return self.positions(value)

    def names(self, key: str) -> tuple[str, ...]:
        """Return a list of at least two names."""
        value = self.values.get(key)
        self.used.add(key)
        if not isinstance(value, list) or len(value) < 2 or not all(isinstance(entry, str) for entry in value):
            raise self.error(f"{key} must be a list of at least two names of layers", f'for example {key} = ["a", "b"]')
        return tuple(value)

    def finish(self) -> None:
        """Complain of keys that nothing has asked for.

        Raises:
            ModelError: If there is one; the nearest known name is suggested.
        """
        for key in self.values:
            if key not in self.used:
                near = get_close_matches(key, sorted(self.used), n=1, cutoff=0.6)
                known = f"did you mean {near[0]}?" if near else f"known here: {', '.join(sorted(self.used))}"
                raise self.error(f"unknown key {printable(key, limit=60)!r}", known)

    def _get(self, key: str, kind: type, default: object) -> Any:
        self.used.add(key)
        value = self.values.get(key, default)
        if value is None:
            raise self.error(f"{key} is missing", f"it is {_KINDS[kind]}")
        if not _is(value, kind):
            shown = printable(json.dumps(value, default=str), limit=60)
            raise self.error(f"{key} must be {_KINDS[kind]}, got {shown}")
        return value


def _is(value: object, kind: type) -> bool:
    """Whether a value is of a kind; true and false are no numbers, whole numbers are numbers."""
    if isinstance(value, bool):
        return kind is bool
    return isinstance(value, (int, float) if kind is float else kind)


def toml_lines(text: str) -> list[int]:
    r"""Return the lines of the headers of layers, in order, from 1.

    >>> toml_lines("input = [3]\n[[layer]]\nkind = 'relu'\n[[layer.layer]]\n")
    [2, 4]
    """
    return [text.count("\n", 0, match.start()) + 1 for match in _HEADER.finditer(text)]


def json_lines(text: str) -> list[int]:
    r"""Return the lines in which the objects of layers begin, in order, from 1.

    >>> json_lines('{"input": [3],\n"layer": [\n{"kind": "relu"}, {"repeat": 2, "layer": [\n{"kind": "tanh"}]}]}')
    [3, 3, 4]
    """
    return [text.count("\n", 0, position) + 1 for position in _objects(text, 0, len(text))]


def _objects(text: str, start: int, end: int) -> Iterator[int]:
    """Yield where the layers of the object between two places begin, those inside them included."""
    match = _JSON_LAYERS.search(text, start, end)
    if match is None:
        return
    decoder, position = json.JSONDecoder(), match.end()
    while True:
        while text[position] in " \t\r\n,":
            position += 1
        if text[position] == "]":
            return
        _, after = decoder.raw_decode(text, position)
        yield position
        yield from _objects(text, position, after)
        position = after
