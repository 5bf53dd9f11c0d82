import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from audits import evil_audit, small_audit

from propstats.errors import DomainError, OutputError
from propstats.report.jsonable import to_jsonable
from propstats.report.outputs import Outputs


def test_a_folder_gets_everything(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "folder"
    outputs = Outputs.of(None, str(tmp_path / "own.xml"), None, str(folder), github=False)
    written = outputs.write(small_audit(), to_jsonable(small_audit()), command="propstats audit x")
    assert sorted(path.name for path in folder.iterdir()) == ["audit.html", "audit.json", "audit.png"]
    assert set(written) == {*folder.iterdir(), tmp_path / "own.xml"}
    json.loads((folder / "audit.json").read_text())
    ET.fromstring((tmp_path / "own.xml").read_text())
    assert (folder / "audit.png").read_bytes().startswith(b"\x89PNG")
    assert "propstats audit x" in (folder / "audit.html").read_text()


def test_what_cannot_be_written_is_said_before_the_work(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DomainError, match=r"\.png, \.svg or \.pdf"):
        Outputs.of(None, None, "figure.bmp", None, github=False)
    with pytest.raises(OutputError, match="does not exist"):
        Outputs.of(str(tmp_path / "absent" / "a.html"), None, None, None, github=False)
    with pytest.raises(OutputError, match="cannot make the directory"):
        Outputs.of(None, None, None, str(tmp_path / "file" / "x"), github=False)
    with pytest.raises(OutputError, match="null"):
        Outputs.of(None, None, None, "a\0b", github=False)
    assert Outputs.of(None, None, None, None, github=False) == Outputs()


def test_the_summary_of_a_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
    Outputs.of(None, None, None, None, github=True).write(evil_audit(), {})
    assert "propstats audit" in (tmp_path / "summary.md").read_text(encoding="utf-8")
