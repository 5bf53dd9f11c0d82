import contextlib
import dataclasses
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from audits import evil_audit, finding, small_audit
from hypothesis import given
from hypothesis import strategies as st

from propstats.auditing.records import AuditReport, Severity
from propstats.errors import DataError
from propstats.report.jsonable import dump, to_jsonable
from propstats.report.saved import load_report


def _document(report: AuditReport) -> dict[str, Any]:
    data = json.loads(dump(to_jsonable(report)))
    return {"schema": "propstats/1", "command": "audit", "status": "ok", "exit_code": 0, "data": data, "errors": []}


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return _document(dataclasses.replace(small_audit(), findings=[finding(Severity.WARNING)]))


@pytest.mark.parametrize("report", [small_audit(), evil_audit(), small_audit(weight=math.nan)])
def test_what_was_printed_is_read_back(tmp_path: Path, report: AuditReport) -> None:
    path = tmp_path / "audit.json"
    path.write_text(dump(_document(report)))
    again = load_report(path)
    assert again.model == report.model
    assert to_jsonable(again.trend) == to_jsonable(report.trend)
    assert to_jsonable(again.findings) == to_jsonable(report.findings)
    for old, new in zip(report.layers, again.layers, strict=True):
        assert to_jsonable(old.backward) == to_jsonable(new.backward)
        assert (old.name, old.call, old.shape, old.verdict, old.expected) == (
            new.name, new.call, new.shape, new.verdict, new.expected,
        )  # fmt: skip
        for name in ("mean", "q", "var"):
            was, now = getattr(old.forward, name), getattr(new.forward, name)
            assert was == now or (math.isnan(was.value) and math.isnan(now.value))


def _refused(tmp_path: Path, content: str | bytes, *words: str) -> None:
    path = tmp_path / "audit.json"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(DataError) as caught:
        load_report(path)
    assert len(str(caught.value).splitlines()) == 1
    assert caught.value.hint
    for word in words:
        assert word in str(caught.value)


def test_files_that_are_no_audit(tmp_path: Path, document: dict[str, Any]) -> None:
    text = json.dumps(document)
    _refused(tmp_path, "", "only a part")
    _refused(tmp_path, text[: len(text) // 2], "only a part")
    _refused(tmp_path, b"\xff\xfe\x00", "no JSON")
    _refused(tmp_path, "[" * 100_000, "no JSON")
    _refused(tmp_path, "[1]", "no document of propstats")
    _refused(tmp_path, json.dumps({"schema": "propstats/2"}), "propstats/2", "renew it")
    _refused(tmp_path, json.dumps(document | {"command": "moments"}), "answer of propstats moments")
    _refused(tmp_path, json.dumps(document | {"status": "error"}), "no audit")
    with pytest.raises(DataError, match="no such file"):
        load_report(tmp_path / "absent.json")
    with pytest.raises(DataError, match="directory"):
        load_report(tmp_path)


@pytest.mark.parametrize(
    ("damage", "word"),
    [
        (lambda data: data.pop("layers"), "lacks layers"),
        (lambda data: data.update(layers=3), "data.layers is no list"),
        (lambda data: data["layers"][2].pop("forward"), "data.layers[2] lacks forward"),
        (lambda data: data["layers"][2]["forward"]["q"].update(value="1"), "forward.q.value is no number"),
        (lambda data: data["layers"][2]["forward"]["q"].update(route="guess"), "route is 'guess'"),
        (lambda data: data["trend"]["forward_rate"].update(interval=[1.0]), "interval has 1 entries"),
        (lambda data: data["findings"][0].update(severity="dire\x1b"), r"severity is 'dire\\x1b'"),
        (lambda data: data.update(seed=True), "data.seed is no int"),
        (lambda data: data.update(model=[]), "data.model is no object"),
    ],
)  # fmt: skip
def test_damage_is_named(tmp_path: Path, document: dict[str, Any], damage: Callable[[Any], None], word: str) -> None:
    copy = json.loads(json.dumps(document))
    damage(copy["data"])
    _refused(tmp_path, json.dumps(copy), "damaged", word)


def test_keys_of_later_versions_are_passed_over(tmp_path: Path, document: dict[str, Any]) -> None:
    copy = json.loads(json.dumps(document))
    copy["data"]["layers"][0]["later"] = {"a": 1}
    (tmp_path / "audit.json").write_text(json.dumps(copy))
    assert load_report(tmp_path / "audit.json").layers[0].name == "one"


@given(position=st.integers(0, 20_000), byte=st.integers(0, 255))
def test_a_changed_byte_never_ends_in_anything_else(
    tmp_path_factory: pytest.TempPathFactory, document: dict[str, Any], position: int, byte: int
) -> None:
    text = bytearray(json.dumps(document).encode())
    text[position % len(text)] = byte
    path = tmp_path_factory.getbasetemp() / "mutated.json"
    path.write_bytes(text)
    with contextlib.suppress(DataError):
        load_report(path)
