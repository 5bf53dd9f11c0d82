import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from audits import evil_audit, finding, small_audit
from jsonschema import Draft202012Validator, ValidationError
from networks import mlp
from propstats_cli.main import run

from propstats.auditing.records import AuditReport, Severity, Trend
from propstats.report.diff import diff
from propstats.report.json_schema import FOLDER, RECORDS, schema_of
from propstats.report.jsonable import dump, to_jsonable


def _closed(schema: Any) -> Any:
    """Forbid keys that a schema does not name: here, unlike for readers, an unknown key is a mistake."""
    if isinstance(schema, list):
        return [_closed(entry) for entry in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {key: _closed(value) for key, value in schema.items()}
    if "required" in schema and "$schema" not in schema:
        closed["unevaluatedProperties"] = False
    return closed


@pytest.fixture(scope="module")
def check() -> Callable[[str, object], None]:
    validators = {}
    for command in RECORDS:
        schema = json.loads((FOLDER / f"{command}.schema.json").read_text())
        Draft202012Validator.check_schema(schema)
        # Records are closed one by one; what stands beside them (`baseline`) is closed by the sum of both.
        record = schema["else"]["properties"]["data"]
        closed = _closed(schema["$defs"])
        top = RECORDS[command].__name__
        closed[top].pop("unevaluatedProperties")
        schema = schema | {"$defs": closed}
        schema["else"] = {"properties": {"data": {"allOf": [record], "unevaluatedProperties": False}}}
        validators[command] = Draft202012Validator(schema)

    def validate(command: str, document: object) -> None:
        validators[command].validate(document)

    return validate


@pytest.mark.parametrize("command", list(RECORDS))
def test_the_shipped_schema_is_what_the_records_say(command: str) -> None:
    shipped = (FOLDER / f"{command}.schema.json").read_text()
    assert shipped == dump(schema_of(command)), "renew it: python -m propstats.report.json_schema"


def _document(command: str, record: AuditReport | object) -> dict[str, Any]:
    data = json.loads(dump(to_jsonable(record)))
    return {
        "schema": "propstats/1", "command": command, "status": "ok", "exit_code": 0, "data": data, "errors": [],
    }  # fmt: skip


def test_all_kinds_of_reports_are_valid(check: Callable[[str, object], None]) -> None:
    sound = small_audit()
    bare = [replace(layer, expected=None, one_step=None) for layer in sound.layers]
    for report in (
        sound,
        small_audit(weight=float("nan")),
        evil_audit(),
        replace(sound, layers=bare, trend=Trend(None, None), findings=[finding(Severity.INFO, None)]),
    ):
        check("audit", _document("audit", report))


def test_what_the_commands_print_is_valid(
    check: Callable[[str, object], None], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.save(mlp("relu", depth=5), tmp_path / "model.pt")
    audit = ["audit", str(tmp_path / "model.pt"), "--json"]
    assert run(audit) == 0
    first = capsys.readouterr().out
    check("audit", json.loads(first))
    (tmp_path / "a.json").write_text(first)
    for more in (["--baseline", str(tmp_path / "a.json")], ["--static"], ["--fix", str(tmp_path / "fixed.pt")]):
        assert run([*audit, *more]) == 0
        check("audit", json.loads(capsys.readouterr().out))
    assert run(["audit", "absent.pt", "--json"]) == 3
    check("audit", json.loads(capsys.readouterr().out))
    assert run(["diff", str(tmp_path / "a.json"), str(tmp_path / "a.json"), "--json"]) == 0
    check("diff", json.loads(capsys.readouterr().out))


def test_differences_are_valid(check: Callable[[str, object], None]) -> None:
    before, after = small_audit(), small_audit(weight=3.0)
    changed = diff(before, replace(after, findings=[finding(Severity.ERROR)]))
    assert changed.moved
    check("diff", _document("diff", changed))
    check("diff", _document("diff", diff(before, small_audit(weight=float("nan")))))


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data.pop("layers"),
        lambda data: data["layers"][0]["forward"].pop("q"),
        lambda data: data["layers"][0]["forward"]["q"].update(value="much"),
        lambda data: data["layers"][0].update(verdict="splendid"),
        lambda data: data["layers"][0].update(surprise=1),
        lambda data: data.update(surprise=1),
        lambda data: data["trend"]["forward_rate"].update(interval=[1.0]),
        lambda data: data.update(verdict="perhaps"),
    ],
)
def test_a_damaged_document_is_not_valid(check: Callable[[str, object], None], damage: Callable[[Any], None]) -> None:
    document = _document("audit", small_audit())
    damage(document["data"])
    with pytest.raises(ValidationError):
        check("audit", document)


def test_an_error_needs_no_data_and_an_answer_does(check: Callable[[str, object], None]) -> None:
    problem = {"code": "model", "message": "no", "hint": ""}
    document = _document("audit", small_audit()) | {"data": {}}
    with pytest.raises(ValidationError):
        check("audit", document)
    check("audit", document | {"status": "error", "exit_code": 3, "errors": [problem]})
    with pytest.raises(ValidationError):
        check("audit", document | {"status": "error", "exit_code": 3})


def test_fields_are_described() -> None:
    schema = json.loads((FOLDER / "audit.schema.json").read_text())
    assert schema["$defs"]["Layer"]["properties"]["name"]["description"] == "Dotted name of the module."
    assert schema["$defs"]["ForwardStatistics"]["properties"]["var"]["description"].startswith("Variance over the data")
