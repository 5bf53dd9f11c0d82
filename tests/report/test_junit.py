from dataclasses import replace
from xml.etree import ElementTree as ET

from audits import EVIL, evil_audit, finding, small_audit

from propstats.auditing.records import AuditReport, Severity
from propstats.report.junit import group_of, junit_xml


def _parsed(report: AuditReport) -> ET.Element:
    text = junit_xml(report)
    assert text == junit_xml(report)
    text.encode("utf-8")
    root = ET.fromstring(text)
    cases = list(root.iter("testcase"))
    for element in (root, *root.iter("testsuite")):
        assert element.get("tests") == str(len(cases))
        assert element.get("failures") == str(sum(case.find("failure") is not None for case in cases))
    names = [(case.get("classname"), case.get("name")) for case in cases]
    assert len(set(names)) == len(names)
    return root


def test_a_sound_network_passes() -> None:
    root = _parsed(small_audit())
    assert [case.get("name") for case in root.iter("testcase")] == [
        "layers: one", "layers: one-act", "layers: two", "layers: two-act", "layers: three", "layers: three-act",
    ]  # fmt: skip
    assert root.get("failures") == "0"


def test_layers_are_grouped_by_their_block() -> None:
    report = small_audit()
    names = ["stem", "block.0.fc", "block.0.act", "block.1.fc", "block.1.act", "head"]
    layers = [replace(layer, name=name) for layer, name in zip(report.layers, names, strict=True)]
    root = _parsed(replace(report, layers=layers))
    assert [case.get("name") for case in root.iter("testcase")] == ["layers: stem", "layers: block", "layers: head"]
    assert group_of("") == "network"


def test_findings_fail_or_are_printed() -> None:
    found = [
        finding(Severity.ERROR, "one", "dead-units", "all are dead"),
        finding(Severity.WARNING, "one", "dead-units", "many are dead"),
        finding(Severity.WARNING, "two", "dead-units", "some are dead"),
        finding(Severity.INFO, None, "note", "something"),
    ]
    root = _parsed(replace(small_audit(), findings=found))
    cases = {case.get("name"): case for case in root.iter("testcase")}
    failure = cases["dead-units: one"].find("failure")
    assert failure is not None
    assert failure.get("message") == "all are dead"
    assert "many are dead" in (failure.text or "")
    assert cases["dead-units: two"].find("failure") is None
    assert "some are dead" in (cases["dead-units: two"].findtext("system-out") or "")
    assert "something" in (cases["note: network"].findtext("system-out") or "")
    assert root.get("failures") == "1"


def test_layers_without_an_expectation_are_skipped_with_the_reason() -> None:
    report = small_audit()
    first = replace(report.layers[0], verdict="no expectation", reason="no rule for Linear yet")
    root = _parsed(replace(report, layers=[first, *report.layers[1:]]))
    skipped = next(root.iter("skipped"))
    assert skipped.get("message") == "no rule for Linear yet"


def test_hostile_names_stay_text() -> None:
    root = _parsed(evil_audit())
    text = junit_xml(evil_audit())
    assert "\x1b" not in text
    assert "\x00" not in text
    assert "<script" not in text
    shown = next(root.iter("testsuite")).get("name")
    assert shown is not None
    assert shown.startswith("\\x3a:error::<script>alert(1)</script>")  # as text, after the parser
    assert EVIL not in shown
    assert len(root.findall(".//failure")) == 1
    long = replace(small_audit(), findings=[finding(Severity.ERROR, "x" * 100_000)])
    assert len(junit_xml(long)) < 20_000
