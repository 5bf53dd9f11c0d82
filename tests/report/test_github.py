import re
from dataclasses import replace
from html import unescape
from pathlib import Path

import pytest
from audits import evil_audit, finding, small_audit

from propstats.auditing.records import Severity
from propstats.errors import DomainError, OutputError
from propstats.report.github import SUMMARY_LIMIT, annotations, append_summary, summary, summary_file

ERROR, WARNING, INFO = Severity.ERROR, Severity.WARNING, Severity.INFO


def test_worst_first_and_ten_at_most() -> None:
    found = [finding(INFO, f"i{n}") for n in range(5)] + [finding(WARNING, f"w{n}") for n in range(5)]
    lines = annotations([*found, *(finding(ERROR, f"e{n}") for n in range(4))])
    assert len(lines) == 10
    assert [line.split(" ")[0] for line in lines] == ["::error"] * 4 + ["::warning"] * 5 + ["::notice"]
    assert annotations([]) == []


def test_one_line_each_whatever_a_name_is() -> None:
    (line,) = annotations(evil_audit().findings)
    assert re.fullmatch(r"::error title=[^:,\r\n]+::[^\r\n]*", line)
    assert "\x1b" not in line
    assert line.count("%") == len(re.findall("%(25|3A|2C|0D|0A)", line))
    (line,) = annotations([replace(finding(ERROR, "a:b,c%d"), message="50%, x:y", remedy="")])
    assert line == "::error title=propstats some-rule%3A a%3Ab%2Cc%25d::50%25, x:y ->  (propstats explain some-rule)"


def test_summary() -> None:
    text = summary(replace(small_audit(), findings=[finding(ERROR, "one", "dead-units", "all | are dead")]))
    assert "FAIL" in text.splitlines()[0]
    assert "| dead-units | one | all &#124; are dead | change it |" in text
    assert "- coverage: 6 of 6 layers have an expectation" in text
    assert text.count("\n| ") == 2 + 1 + 6  # two heads, one finding, six layers
    assert "PASS" in summary(small_audit()).splitlines()[0]


def test_a_table_stays_a_table_and_nothing_is_markup() -> None:
    text = summary(evil_audit())
    assert "\x1b" not in text
    assert "<script" not in text
    assert "](" not in text
    rows = [line for line in text.splitlines() if line.startswith("|") and "---" not in line]
    assert {row.count("|") for row in rows} == {6, 7}  # of findings, of layers
    assert "<script>alert(1)</script>" in unescape(text)  # shown as it is


def test_appended_and_capped(tmp_path: Path) -> None:
    path = tmp_path / "summary.md"
    append_summary(path, "one\n")
    append_summary(path, "two\n")
    assert path.read_text() == "one\ntwo\n"
    append_summary(path, "a line of text\n" * 100_000)
    content = path.read_bytes()
    assert len(content) <= SUMMARY_LIMIT
    assert content.startswith(b"one\ntwo\na line of text\n")
    assert content.endswith(b"a line of text\n\n\n(cut: GitHub takes no more for one step)\n")
    append_summary(path, "more" * 100)
    assert len(path.read_bytes()) <= SUMMARY_LIMIT
    with pytest.raises(OutputError):
        append_summary(tmp_path / "absent" / "summary.md", "x")


def test_a_cut_never_splits_a_character(tmp_path: Path) -> None:
    append_summary(tmp_path / "s", ("\N{WARNING SIGN}" * 7 + "\n") * 60_000)
    (tmp_path / "s").read_text(encoding="utf-8")


def test_outside_github(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    with pytest.raises(DomainError, match="GITHUB_STEP_SUMMARY"):
        summary_file()
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", "/somewhere")
    assert summary_file() == Path("/somewhere")
