"""Audits that were printed as JSON, read back."""

import dataclasses
import json
import math
import os
import types
from collections.abc import Sequence
from enum import Enum
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from propstats.auditing.records import AuditReport
from propstats.errors import DataError
from propstats.estimate import Estimate
from propstats.text import printable

SCHEMA = "propstats/1"
_HINT = "make one with: propstats audit MODEL --json > audit.json"


def load_report(path: str | os.PathLike[str]) -> AuditReport:
    """Read an audit back from the document that `propstats audit --json` printed.

    Numbers that were not finite are null in the file and NaN in the report. Keys that this version does not know are
    passed over; fields it has added since are what they are by default.

    Args:
        path: The file.

    Raises:
        DataError: If it cannot be read, is damaged, holds something else, or has another schema.

    >>> load_report("missing.json")
    Traceback (most recent call last):
    propstats.errors.DataError: missing.json: no such file (...)
    """
    shown = printable(os.fspath(path), limit=200)
    try:
        document = json.loads(Path(path).read_bytes())
    except FileNotFoundError:
        raise DataError(f"{shown}: no such file", _HINT) from None
    except OSError as error:
        raise DataError(f"cannot read {shown}: {error.strerror or error}", _HINT) from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{shown} is no JSON document, or only a part of one", _HINT) from error
    if not isinstance(document, dict) or "schema" not in document:
        raise DataError(f"{shown} is no document of propstats", _HINT)
    if document["schema"] != SCHEMA:
        found = printable(document["schema"], limit=40)
        raise DataError(f"{shown} has the schema {found}, not {SCHEMA}", "renew it with this version of propstats")
    if document.get("command") != "audit":
        raise DataError(f"{shown} is the answer of propstats {printable(document.get('command'), limit=40)}", _HINT)
    if document.get("status") == "error":
        raise DataError(f"{shown} reports an error and no audit", _HINT)
    try:
        report = _record(AuditReport, document.get("data"), "data")
    except _DamageError as damage:
        raise DataError(f"{shown} is damaged: {damage}", _HINT) from None
    assert isinstance(report, AuditReport)
    return report


class _DamageError(Exception):
    """Something in the document is not what it should be."""


def _record(record: type, value: object, where: str) -> object:
    """Rebuild a record from what JSON says of it."""
    if not isinstance(value, dict):
        raise _DamageError(f"{where} is no object")
    hints, fields = get_type_hints(record), {}
    for field in dataclasses.fields(record):
        if field.name in value:
            fields[field.name] = _value(hints[field.name], value[field.name], f"{where}.{field.name}")
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            if type(None) not in get_args(hints[field.name]):
                raise _DamageError(f"{where} lacks {field.name}")
            fields[field.name] = None
    if record is Estimate and value.get("code") == "no_error":
        fields["error"] = math.inf
    return record(**fields)


def _value(hint: Any, value: object, where: str) -> object:
    """Rebuild a value of a type."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        if value is None and type(None) in arguments:
            return None
        return _value(next(a for a in arguments if a is not type(None)), value, where)
    if hint is float:
        if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
            raise _DamageError(f"{where} is no number")
        return math.nan if value is None else float(value)
    if origin is Literal:  # a word that this version does not know is a word all the same
        return _value(type(arguments[0]), value, where)
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        return _record(hint, value, where)
    if isinstance(hint, type) and issubclass(hint, Enum):
        try:
            return hint(value)
        except ValueError:
            raise _DamageError(f"{where} is {printable(value, limit=40)!r}") from None
    if hint in (str, int, bool):
        if type(value) is not hint:
            raise _DamageError(f"{where} is no {hint.__name__}")
        return value
    if isinstance(value, list) and isinstance(origin, type) and issubclass(origin, Sequence):
        fixed = arguments[1:] and arguments[-1] is not ...
        if fixed and len(value) != len(arguments):
            raise _DamageError(f"{where} has {len(value)} entries")
        kinds = arguments if fixed else [arguments[0]] * len(value)
        return tuple(_value(k, v, f"{where}[{i}]") for i, (k, v) in enumerate(zip(kinds, value, strict=True)))
    if isinstance(value, dict) and origin is not None:
        return {key: _value(arguments[1], entry, f"{where}.{key}") for key, entry in value.items()}
    raise _DamageError(f"{where} is no {'list' if origin is not None else hint}")
