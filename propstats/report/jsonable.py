"""Result records as plain JSON."""

import dataclasses
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from enum import Enum
from os import PathLike, fspath
from typing import TypeAlias

from propstats.activations.expression import Call, Number, Symbol
from propstats.estimate import Estimate, Quantity
from propstats.report.formula import text_of

#: What strict JSON can say.
Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"

#: Properties that are part of the answer wherever a record defines them; all others are conveniences.
_ANSWERS = ("agree", "passed", "var", "c", "regressions")

#: Why a number is null, worst first: a record has one code.
CODES = ("undefined", "infinite", "no_error")


def to_jsonable(value: object) -> Json:
    """Turn a result into what JSON can say, with nothing left out.

    The fields of a record become keys, and so does what it answers on top (`agree`, `passed`, `var`, `c`,
    `z`, and the `verdict` of what has passed or not). A number that is not finite becomes null, and the
    record that holds it, directly or in a list or a mapping, gets a key `code` that says why: `undefined`
    (NaN), `infinite`, or `no_error` for an estimate whose value is finite and whose error is not. A mapping that
    no record holds gets the code itself.

    Args:
        value: A record, or anything made of records, mappings, sequences, enums, paths, formulas, and Python,
            NumPy or torch numbers.

    Raises:
        TypeError: If something in it has no form in JSON.

    >>> from propstats.estimate import Route
    >>> to_jsonable(Estimate(2.0, math.inf, Route.SAMPLING, 1))
    {'value': 2.0, 'error': None, 'route': 'sampling', 'samples': 1, 'code': 'no_error'}
    >>> to_jsonable({"interval": (0.5, math.inf)})
    {'interval': [0.5, None], 'code': 'infinite'}
    """
    codes: set[str] = set()
    plain = _plain(value, codes)
    return _coded(plain, codes) if isinstance(plain, dict) else plain


def dump(document: Json) -> str:
    r"""Write a document as strict JSON: sorted keys, floats at full precision, ASCII, a newline at the end.

    Raises:
        ValueError: If a number in it is not finite; `to_jsonable` leaves none.

    >>> dump({"b": 0.1, "a": [None, "\u03c3"]}).split()
    ['{', '"a":', '[', 'null,', '"\\u03c3"', '],', '"b":', '0.1', '}']
    """
    return json.dumps(document, allow_nan=False, ensure_ascii=True, indent=2, sort_keys=True) + "\n"


def _plain(value: object, codes: set[str]) -> Json:
    """Turn a value into JSON and note in `codes` why numbers of it, outside records of its own, are null."""
    if isinstance(value, Enum):  # before str and int, which enums may be as well
        return _plain(value.value, codes)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return str(value)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        if math.isfinite(value):
            return float(value)
        codes.add("undefined" if math.isnan(value) else "infinite")
        return None
    if isinstance(value, Number | Symbol | Call):
        return text_of(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return _record(value)
    if isinstance(value, Mapping):
        return {_key(key): _plain(entry, codes) for key, entry in value.items()}
    if isinstance(value, PathLike):
        return _plain(fspath(value), codes)
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray | memoryview):
        return [_plain(entry, codes) for entry in value]
    tolist = getattr(value, "tolist", None)  # NumPy and torch, scalars and arrays, without loading either
    if callable(tolist):
        return _plain(tolist(), codes)
    raise TypeError(f"{type(value).__name__} has no form in JSON")


def _record(record: object) -> Json:
    codes: set[str] = set()
    plain = {name: _plain(entry, codes) for name, entry in _entries(record)}
    if isinstance(record, Estimate | Quantity) and math.isfinite(record.value) and not math.isfinite(record.error):
        codes = {"no_error"}  # not "infinite": an error that nothing bounds is one that is not known
    return _coded(plain, codes)


def _entries(record: object) -> Iterator[tuple[str, object]]:
    for field in dataclasses.fields(record):  # type: ignore[arg-type]  # known to be a dataclass
        value = getattr(record, field.name)
        if not (isinstance(record, Estimate) and is_left_out(field.name) and value is None):
            yield field.name, value
    for name in properties(type(record)):
        value = getattr(record, name)
        yield name, value
        if name == "passed":
            yield "verdict", "pass" if value else "fail"
        if name == "agree" and callable(distance := getattr(record, "z", None)):
            yield "z", distance()


def properties(record: type) -> list[str]:
    """Return the properties of a record that are part of its answer."""
    return [name for name in _ANSWERS if isinstance(getattr(record, name, None), property)]


def is_left_out(name: str) -> bool:
    """Whether an estimate's field is no key at all where there is nothing to say."""
    return name in ("samples", "digits", "freedom")


def _coded(plain: dict[str, Json], codes: set[str]) -> dict[str, Json]:
    """Say why numbers are null, unless the record has a code of its own that must not be overwritten."""
    if codes and "code" not in plain:
        plain["code"] = min(codes, key=CODES.index)
    return plain


def _key(key: object) -> str:
    plain = key.value if isinstance(key, Enum) else key
    if isinstance(plain, str | int):
        return str(plain)
    raise TypeError(f"{type(key).__name__} cannot be a key in JSON")
