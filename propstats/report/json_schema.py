"""The shape of what commands print as JSON, read off the records that hold it.

Renew the files in `propstats/report/schema` with: python -m propstats.report.json_schema
"""

import dataclasses
import inspect
import re
import types
from collections.abc import Mapping, Sequence
from enum import Enum
from pathlib import Path
from typing import Literal, Union, get_args, get_origin, get_type_hints

from propstats.auditing.fixing.records import FixReport
from propstats.auditing.records import AuditReport
from propstats.auditing.static.records import StaticReport
from propstats.estimate import Estimate
from propstats.report.diff import AuditDiff
from propstats.report.jsonable import CODES, Json, dump, is_left_out, properties

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_PLAIN: dict[object, Json] = {
    str: {"type": "string"},
    bool: {"type": "boolean"},
    int: {"type": "integer"},
    float: {"type": ["number", "null"]},  # null where the number is not finite
    type(None): {"type": "null"},
}
#: Commands whose answers have a schema of their own, with the record of their `data`.
RECORDS: dict[str, type] = {"audit": AuditReport, "diff": AuditDiff}
FOLDER = Path(__file__).parent / "schema"


def schema_of(command: str) -> Json:
    """Return the JSON Schema (draft 2020-12) of the one document that a command prints with `--json`.

    Keys may be added to what is described; none is renamed or taken away while `schema` stays the same.

    Args:
        command: A key of `RECORDS`.

    >>> schema = schema_of("audit")
    >>> schema["properties"]["schema"], sorted(schema["$defs"])[:3]
    ({'const': 'propstats/1'}, ['AuditDiff', 'AuditReport', 'BackwardStatistics'])
    """
    definitions: dict[str, Json] = {}
    record = _type(RECORDS[command], definitions)
    answered: Json = record
    if command == "audit":  # its answer may be one of three, and the first has more with --baseline
        optional: Json = {"type": "object", "properties": {"baseline": _type(AuditDiff, definitions)}}
        others: list[Json] = [_type(answer, definitions) for answer in (FixReport, StaticReport)]
        measured: Json = {"allOf": [record, optional]}
        answered = {"anyOf": [measured, *others]}
    problem: Json = {
        "type": "object",
        "properties": {name: {"type": "string"} for name in ("code", "message", "hint")},
        "required": ["code", "message", "hint"],
    }
    return {
        "$schema": _DIALECT,
        "title": f"propstats {command} --json",
        "type": "object",
        "properties": {
            "schema": {"const": "propstats/1"},
            "command": {"type": ["string", "null"]},
            "status": {"enum": ["ok", "findings", "error"]},
            "exit_code": {"type": "integer"},
            "data": {"type": "object"},
            "errors": {"type": "array", "items": problem},
        },
        "required": ["schema", "command", "status", "exit_code", "data", "errors"],
        "if": {"properties": {"status": {"const": "error"}}},
        "then": {"properties": {"errors": {"minItems": 1}}},
        "else": {"properties": {"data": answered}},
        "$defs": definitions,
    }


def _type(hint: object, definitions: dict[str, Json]) -> Json:
    """Describe a type; records go to the definitions."""
    origin, arguments = get_origin(hint), get_args(hint)
    if hint in _PLAIN:
        return _PLAIN[hint]
    if origin is Literal:
        return {"enum": list(arguments)}
    if origin in (Union, types.UnionType):
        return {"anyOf": [_type(argument, definitions) for argument in arguments]}
    if hint == tuple[()]:
        return {"type": "array", "maxItems": 0}
    if origin is tuple and arguments[-1:] != (...,):
        return {
            "type": "array",
            "prefixItems": [_type(argument, definitions) for argument in arguments],
            "minItems": len(arguments),
            "maxItems": len(arguments),
        }
    if origin is not None and issubclass(origin, Mapping):
        return {"type": "object", "additionalProperties": _type(arguments[1], definitions)}
    if origin is not None and issubclass(origin, Sequence):
        return {"type": "array", "items": _type(arguments[0], definitions)}
    if isinstance(hint, type) and issubclass(hint, Enum):
        return {"enum": [member.value for member in hint]}
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        if hint.__name__ not in definitions:
            definitions[hint.__name__] = {}  # so that a record may hold its own kind
            definitions[hint.__name__] = _record(hint, definitions)
        return {"$ref": f"#/$defs/{hint.__name__}"}
    raise TypeError(f"{hint} has no JSON Schema")


def _record(record: type, definitions: dict[str, Json]) -> Json:
    hints, texts = get_type_hints(record), meanings(record)
    fields: dict[str, Json] = {}
    for field in dataclasses.fields(record):
        described = _type(hints[field.name], definitions)
        assert isinstance(described, dict)
        text = texts.get(field.name)
        fields[field.name] = described | ({"description": text} if text else {})
    for name in properties(record):
        fields[name] = _type(get_type_hints(getattr(record, name).fget)["return"], definitions)
    if "passed" in fields:
        fields["verdict"] = {"enum": ["pass", "fail"]}
    required: list[Json] = [name for name in fields if not (record is Estimate and is_left_out(name))]
    codes: Json = {"enum": list(CODES), "description": "Why a number of this record is null."}
    return {
        "type": "object",
        "description": (inspect.getdoc(record) or "").partition("\n")[0],
        "properties": {"code": codes} | fields,
        "required": required,
    }


def meanings(record: type) -> dict[str, str]:
    """Read what the docstring of a record says of each of its fields.

    >>> from propstats.estimate import Estimate
    >>> meanings(Estimate)["samples"]
    'How many samples stand behind a statistical estimate.'
    """
    _, _, section = (inspect.getdoc(record) or "").replace("Attributes:\n", "Args:\n").partition("Args:\n")
    section = re.split(r"\n(?=\S)|\n\n", section)[0]
    entries = re.findall(r"^    (\w+): (.*(?:\n     +.*)*)", section, flags=re.MULTILINE)
    return {name: " ".join(text.split()) for name, text in entries}


def main() -> None:
    """Write the schemas to the files that are shipped."""
    from propstats.files import write_atomically

    for command in RECORDS:
        write_atomically(FOLDER / f"{command}.schema.json", dump(schema_of(command)))


if __name__ == "__main__":
    main()
