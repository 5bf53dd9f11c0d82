"""`propstats diff`."""

import json
from pathlib import Path

import pytest
from audits import EVIL, finding, small_audit
from propstats_cli.diff_table import render
from propstats_cli.main import run
from rich.console import Console

from propstats.auditing.records import AuditReport, Severity
from propstats.report.diff import diff
from propstats.report.jsonable import dump, to_jsonable


def _save(path: Path, report: AuditReport) -> str:
    path.write_text(dump({"schema": "propstats/1", "command": "audit", "status": "ok", "data": to_jsonable(report)}))
    return str(path)


def _with(report: AuditReport, *severities: Severity) -> AuditReport:
    from dataclasses import replace

    return replace(report, findings=[finding(severity) for severity in severities])


def test_nothing_changed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = _save(tmp_path / "a.json", small_audit())
    assert run(["diff", path, path]) == 0
    out = capsys.readouterr().out
    assert "moved     0 of" in out
    assert out.endswith("compared  PASS: nothing got worse\n")


@pytest.mark.parametrize(
    ("severity", "fail_on", "code"),
    [("error", None, 1), ("warning", None, 1), ("info", None, 0), ("info", "info", 1), ("error", "never", 0)],
)
def test_regressions_exit_with_1(tmp_path: Path, severity: str, fail_on: str | None, code: int) -> None:
    before = _save(tmp_path / "a.json", small_audit())
    after = _save(tmp_path / "b.json", _with(small_audit(), Severity(severity)))
    options = [] if fail_on is None else ["--fail-on", fail_on]
    assert run(["diff", before, after, *options]) == code
    assert run(["diff", after, before, *options]) == 0  # what went away is no regression


def test_moves_are_listed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = _save(tmp_path / "a.json", small_audit())
    after = _save(tmp_path / "b.json", small_audit(weight=3.0))
    assert run(["diff", before, after]) == 0
    out = capsys.readouterr().out
    assert "forward.q" in out
    assert run(["diff", before, after, "--fail-on", "change", "--json"]) == 1
    document = json.loads(capsys.readouterr().out)
    assert document["data"]["moved"][0].keys() == {"layer", "call", "statistic", "before", "after", "z", "p"}
    assert document["data"]["regressions"] == []


@pytest.mark.parametrize(
    ("content", "word"), [("{", "only a part"), ('{"schema": "propstats/9"}', "propstats/9"), ("[]", "no document")]
)
def test_files_that_cannot_be_compared(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str, word: str
) -> None:
    good = _save(tmp_path / "a.json", small_audit())
    (tmp_path / "b.json").write_text(content)
    assert run(["diff", good, str(tmp_path / "b.json")]) == 3
    err = capsys.readouterr().err
    assert word in err
    assert err.count("\n") == 1


def test_other_networks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = [_save(tmp_path / f"{n}.json", small_audit(names)) for n, names in enumerate((("a", "b"), ("a", "c")))]
    assert run(["diff", *files]) == 3
    assert "2 layers differ: Linear b is now Linear c; Tanh b-act is now Tanh c-act" in capsys.readouterr().err


def test_hostile_names(capsys: pytest.CaptureFixture[str]) -> None:
    from dataclasses import replace

    report = small_audit()
    layers = [replace(layer, name=EVIL) for layer in report.layers]
    evil = replace(report, layers=layers, findings=[finding(Severity.ERROR, EVIL, EVIL, EVIL)])
    moved = [replace(layer, name=EVIL) for layer in small_audit(weight=3.0).layers]
    render(Console(highlight=False, width=300), diff(evil, replace(evil, layers=moved, findings=[])))
    render(Console(highlight=False, width=300), diff(replace(evil, findings=[]), evil))
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert "##[" not in out
    assert not any(line.lstrip().startswith("::") for line in out.splitlines())
