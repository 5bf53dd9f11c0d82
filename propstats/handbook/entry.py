"""The record of the handbook, and the texts it is read from."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib.resources import files
from typing import Any, Final

_TEXTS: Final = ("unit", "layers", "networks", "audits")


class Kind(StrEnum):
    """What an entry is about."""

    QUANTITY = "quantity"
    SCHEME = "scheme"
    FINDING = "finding"
    FIELD = "field"


@dataclass(frozen=True, slots=True)
class Entry:
    """What there is to know of one thing that propstats prints. Texts are empty where there is nothing to say.

    Args:
        name: What it is called in the output.
        kind: What it is.
        title: The same for people.
        meaning: What it is, in a sentence or three.
        formula: Its definition.
        source: The paper and equation it comes from.
        computed: How propstats computes it.
        error: How wrong it may be.
        advice: What to do with it.
        example: A command that prints it.
        found_in: The commands that print it.
    """

    name: str
    kind: Kind
    title: str
    meaning: str
    formula: str = ""
    source: str = ""
    computed: str = ""
    error: str = ""
    advice: str = ""
    example: str = ""
    found_in: tuple[str, ...] = ()


@cache
def quantities() -> Mapping[str, Entry]:
    """Return the entries of all quantities.

    >>> quantities()["jacobian_factor"].formula
    "J = s sqrt(E[phi'^2]/Var phi)"
    """
    return {name: Entry(name, Kind.QUANTITY, **text) for stem in _TEXTS for name, text in _read(stem).items()}


@cache
def common() -> Mapping[str, str]:
    """Return what fields mean that are called and mean the same everywhere."""
    return dict(_read("common"))


def _read(stem: str) -> dict[str, Any]:
    return tomllib.loads((files("propstats.handbook") / "texts" / f"{stem}.toml").read_text(encoding="utf-8"))
