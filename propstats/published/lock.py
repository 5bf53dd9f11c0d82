"""The lock: constants with their digits in a TOML file."""

import json
import os
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from propstats.errors import DataError
from propstats.published.constants import MAX_DIGITS, Constant, ConstantValue
from propstats.published.printed import Printed
from propstats.text import printable

SCHEMA = "propstats-constants/1"
_MAX_BYTES = 1_000_000
_TYPES: Mapping[str, type] = {"name": str, "expression": str, "value": str, "digits": int, "note": str}
_REQUIRED = ("name", "expression", "digits")


@dataclass(frozen=True, slots=True)
class Locked:
    """A constant as it stands in a file.

    Args:
        constant: Name, expression and note.
        value: The number that is stated; None if it is missing.
        digits: How many significant digits of it are meant.
    """

    constant: Constant
    value: str | None
    digits: int


def lock_text(values: Iterable[ConstantValue], digits: int) -> str:
    """Write constants as a lock file.

    >>> from propstats.published.constants import compute
    >>> print(lock_text(compute([Constant("c", "1/pi")], 10), 10).partition("[[constant]]")[2])
    <BLANKLINE>
    name = "c"
    expression = "1/pi"
    value = "0.3183098862"
    digits = 10
    <BLANKLINE>
    """
    how = "" if digits == 30 else f" --digits {digits}"
    lines = [
        "# Constants, each recomputed from its expression and correctly rounded to so many significant digits.",
        "# propstats constants --check FILE  says whether they still come out the same.",
        f"# The constants of propstats itself are written by  propstats constants{how} --write FILE",
        f'schema = "{SCHEMA}"',
    ]
    for value in values:
        lines += ["", "[[constant]]", f"name = {_quoted(value.name)}", f"expression = {_quoted(value.formula)}"]
        lines += [f"value = {_quoted(value.digits)}", f"digits = {digits}"]
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    """Write a TOML string: JSON's escapes are among TOML's, and what JSON leaves alone, TOML takes."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def read_lock(path: str | os.PathLike[str]) -> tuple[Locked, ...]:
    """Read a lock file, ours or anyone's.

    Raises:
        DataError: If it cannot be read or is no lock file; the message says where.
    """
    shown = printable(os.fspath(path))
    document = _document(path, shown)
    schema = document.get("schema")
    if schema != SCHEMA:
        what = f"schema {printable(schema, limit=40)!r}" if schema is not None else "no schema"
        raise DataError(f"{shown} has {what}", f'its first line must be schema = "{SCHEMA}"')
    entries = document.get("constant", [])
    if not entries:
        raise DataError(f"{shown} has no constants", "begin each with [[constant]]")
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise DataError(f"{shown}: constant is no list of tables", "begin each constant with [[constant]]")
    unknown = sorted(document.keys() - {"schema", "constant"})
    if unknown:
        raise DataError(f"{shown} has an unknown key {printable(unknown[0], limit=40)!r}", "known: schema, constant")
    return tuple(_locked(entry, number, shown) for number, entry in enumerate(entries, start=1))


def _document(path: str | os.PathLike[str], shown: str) -> dict[str, Any]:
    try:
        with Path(path).open("rb") as file:
            data = file.read(_MAX_BYTES + 1)  # not what the system says its size is: devices and pipes have none
        if len(data) > _MAX_BYTES:
            raise DataError(f"{shown} is larger than {_MAX_BYTES // 10**6} MB", "that is no list of constants")
        return tomllib.loads(data.decode("utf-8"))
    except FileNotFoundError:
        raise DataError(f"no such file: {shown}", "propstats constants --write FILE writes one") from None
    except UnicodeDecodeError:
        raise DataError(f"{shown} is not UTF-8 text", "a list of constants is a TOML file") from None
    except tomllib.TOMLDecodeError as error:
        raise DataError(f"{shown} is not TOML: {printable(error, limit=200)}") from None
    except RecursionError:
        raise DataError(f"{shown} is nested too deeply", "a list of constants is a flat TOML file") from None
    except (OSError, ValueError) as error:
        raise DataError(f"cannot read {shown}: {getattr(error, 'strerror', None) or error}") from None


def _locked(entry: Mapping[str, Any], number: int, shown: str) -> Locked:
    name = entry.get("name")
    here = f"{shown}: constant {printable(name, limit=40) if isinstance(name, str) else f'no. {number}'}"
    for key, value in entry.items():
        if key not in _TYPES:
            raise DataError(f"{here} has an unknown key {printable(key, limit=40)!r}", f"known: {', '.join(_TYPES)}")
        if not isinstance(value, _TYPES[key]) or isinstance(value, bool):
            hint = 'in quotes, or its digits are lost: value = "0.3989"' if key == "value" else ""
            raise DataError(f"{here}: {key} must be {'text' if _TYPES[key] is str else 'a whole number'}", hint)
    missing = [key for key in _REQUIRED if key not in entry]
    if missing:
        hint = "for example digits = 30" if missing[0] == "digits" else ""
        raise DataError(f"{here} has no {missing[0]}", hint)
    if not 1 <= entry["digits"] <= MAX_DIGITS:
        raise DataError(f"{here}: digits must be between 1 and {MAX_DIGITS}, got {entry['digits']}")
    constant = Constant(entry["name"], entry["expression"], entry.get("note", ""))
    if "value" in entry:
        try:
            Printed.read(entry["value"])
        except DataError as error:
            raise DataError(f"{here}: value {error.message}", error.hint) from None
    return Locked(constant, entry.get("value"), entry["digits"])
