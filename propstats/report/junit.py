"""An audit as JUnit XML, which every CI system shows."""

import re
from collections.abc import Iterator
from xml.etree import ElementTree as ET

from propstats.auditing.records import AuditReport, Finding, Layer, Severity
from propstats.text import printable

#: The longest text to keep: a name may be as long as a stranger likes.
_LIMIT = 2000


def junit_xml(report: AuditReport) -> str:
    """Return an audit as one test suite.

    There is a test case for each group of layers (what stands before the first dot of their names), skipped where none
    of them has an expectation, and one for each rule and group that something was found in. The latter fails if one of
    its findings is an error. Names from files are shown, never obeyed: what XML cannot hold is written as an escape.

    Args:
        report: The audit.
    """
    cases = list(_cases(report))
    failures = sum(case.find("failure") is not None for case in cases)
    count = {"tests": str(len(cases)), "failures": str(failures), "errors": "0"}
    root = ET.Element("testsuites", {"name": "propstats audit", **count})
    suite = ET.SubElement(root, "testsuite", {"name": _text(report.model.path or report.model.format), **count})
    properties = ET.SubElement(suite, "properties")
    facts = {
        "data": report.data.name,
        "samples": str(report.data.samples),
        "sha256": report.model.sha256 or "",
        "coverage": f"{report.coverage.analysed} of {len(report.layers)}",
    }
    for name, value in facts.items():
        ET.SubElement(properties, "property", {"name": name, "value": _text(value)})
    suite.extend(cases)
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _cases(report: AuditReport) -> Iterator[ET.Element]:
    groups: dict[str, list[Layer]] = {}
    for layer in report.layers:
        groups.setdefault(group_of(layer.name), []).append(layer)
    found: dict[tuple[str, str], list[Finding]] = {}
    for finding in report.findings:
        where = group_of(finding.layer) if finding.layer is not None else ""
        found.setdefault((finding.rule, where), []).append(finding)
    for group, layers in groups.items():
        case = _case("layers", group)
        if all(layer.verdict == "no expectation" for layer in layers):
            reasons = {layer.reason or "no expectation" for layer in layers}
            ET.SubElement(case, "skipped", {"message": _text("; ".join(sorted(reasons)))})
        off = [layer for layer in layers if layer.verdict not in ("ok", "no expectation")]
        if off:
            lines = [printable(f"{layer.name} ({layer.type}): {layer.verdict}") for layer in off]
            ET.SubElement(case, "system-out").text = _text("\n".join(lines), lines=True)
        yield case
    for (rule, group), findings in found.items():
        case = _case(rule, group or "network")
        said = [f"{f.severity}: {printable(f.message)}\n  -> {printable(f.remedy)}" for f in findings]
        text = "\n".join([*said, f"more: {findings[0].explained_by}"])
        errors = [finding for finding in findings if finding.severity is Severity.ERROR]
        if errors:
            failure = ET.SubElement(case, "failure", {"type": _text(rule), "message": _text(errors[0].message)})
            failure.text = _text(text, lines=True)
        else:
            ET.SubElement(case, "system-out").text = _text(text, lines=True)
        yield case


def group_of(name: str) -> str:
    """Return the group of layers that a layer belongs to: what stands before the first dot.

    >>> group_of("layer1.0.conv2"), group_of("fc"), group_of("")
    ('layer1', 'fc', 'network')
    """
    return name.partition(".")[0] or "network"


def _case(rule: str, group: str) -> ET.Element:
    return ET.Element(
        "testcase", {"classname": f"propstats.{_text(rule)}", "name": _text(f"{rule}: {group}"), "time": "0"}
    )


def _text(value: str, *, lines: bool = False) -> str:
    """Keep to the characters of XML 1.0; markup is escaped when the tree is written."""
    shown = "\n".join(map(printable, value.split("\n"))) if lines else printable(value)
    return re.sub("[\ufffe\uffff]", "?", shown)[:_LIMIT]
