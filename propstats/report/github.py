"""An audit for GitHub Actions: a summary of the step, and annotations."""

import os
import re
from collections.abc import Sequence
from pathlib import Path

from propstats.auditing.records import AuditReport, Finding, Rate, Severity
from propstats.errors import DomainError
from propstats.files import write_atomically
from propstats.text import printable

#: What GitHub takes for the summary of one step, in bytes.
SUMMARY_LIMIT = 1024 * 1024
#: What GitHub shows for each step, of each kind.
ANNOTATIONS = 10

_COMMANDS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "notice"}
_SIGNS = {
    Severity.ERROR: "\N{CROSS MARK}",
    Severity.WARNING: "\N{WARNING SIGN}",
    Severity.INFO: "\N{INFORMATION SOURCE}",
}


def summary_file() -> Path:
    """Return the file that GitHub Actions reads the summary of this step from.

    Raises:
        DomainError: If there is none.
    """
    path = os.environ.get("GITHUB_STEP_SUMMARY")
    if not path:
        raise DomainError("--github needs $GITHUB_STEP_SUMMARY, which GitHub Actions sets", "leave --github out here")
    return Path(path)


def append_summary(path: Path, text: str) -> None:
    """Append to the summary of a step, whole or cut at a line, and never beyond what GitHub takes.

    Raises:
        OutputError: If it cannot be written.
    """
    old = path.read_bytes() if path.is_file() else b""
    write_atomically(path, old + _capped(text, SUMMARY_LIMIT - len(old)))


def summary(report: AuditReport) -> str:
    """Return an audit as Markdown: the verdict, the rates, the findings, the layers.

    Args:
        report: The audit.
    """
    verdict = f"{_SIGNS[Severity.ERROR]} FAIL" if not report.passed else "\N{WHITE HEAVY CHECK MARK} PASS"
    lines = [
        f"### propstats audit: {verdict}",
        "",
        f"{_escaped(report.model.path or report.model.format)} ({report.model.parameters:,} parameters) on "
        f"{_escaped(report.data.name)} ({report.data.samples:,} samples)",
        "",
    ]
    for name, rate in (("forwards", report.trend.forward_rate), ("backwards", report.trend.backward_rate)):
        if rate is not None:
            lines.append(f"- {name}: {_rate(rate)}")
    lines.append(f"- coverage: {report.coverage.analysed} of {len(report.layers)} layers have an expectation")
    if report.findings:
        lines += ["", "| | rule | layer | what is wrong | what to do |", "|---|---|---|---|---|"]
    for finding in report.findings:
        cells = (finding.rule, finding.layer or "", finding.message, finding.remedy)
        lines.append(f"| {_SIGNS[finding.severity]} {finding.severity} | " + " | ".join(map(_escaped, cells)) + " |")
    if report.findings:
        lines += ["", "`propstats explain RULE` says what a rule is about and where its threshold comes from."]
    lines += ["", "<details><summary>Layers</summary>", "", "| layer | type | signal var | c | gradient | verdict |"]
    lines.append("|---|---|--:|--:|--:|---|")
    for layer in report.layers:
        back = layer.backward.input
        numbers = (layer.forward.var.value, layer.forward.c, back.value if back is not None else None)
        row = [layer.name, layer.type, *("-" if n is None else f"{n:.3g}" for n in numbers), layer.verdict]
        lines.append("| " + " | ".join(map(_escaped, row)) + " |")
    return "\n".join([*lines, "", "</details>", "", ""])


def annotations(findings: Sequence[Finding]) -> list[str]:
    """Return workflow commands for the worst findings, at most as many as GitHub shows.

    >>> annotations([Finding("dead", Severity.ERROR, "a,b", 1.0, None, None, "100% dead", "draw anew")])
    ['::error title=propstats dead%3A a%2Cb::100%25 dead -> draw anew (propstats explain dead)']
    """
    order = list(Severity)
    worst = sorted(findings, key=lambda finding: order.index(finding.severity))[:ANNOTATIONS]
    return [_annotation(finding) for finding in worst]


def _annotation(finding: Finding) -> str:
    title = f"propstats {finding.rule}" + (f": {finding.layer}" if finding.layer is not None else "")
    text = f"{finding.message} -> {finding.remedy} ({finding.explained_by})"
    return f"::{_COMMANDS[finding.severity]} title={_property(title)}::{_message(text)}"


def _message(text: str) -> str:
    """Escape the text of a workflow command, as @actions/core does."""
    return printable(text, limit=2000).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _message(text).replace(":", "%3A").replace(",", "%2C")


def _rate(rate: Rate) -> str:
    low, high = rate.interval
    return f"x{rate.value:.3g} a layer of weights (95 %: {low:.3g} to {high:.3g}), x{rate.total:.2g} from end to end"


def _escaped(text: str) -> str:
    """Write text so that Markdown shows it as it is: all that might be markup becomes a character reference."""
    return re.sub(r"[^\w\s.,;/()=+-]", lambda match: f"&#{ord(match[0])};", printable(text, limit=1000), flags=re.ASCII)


def _capped(text: str, room: int) -> bytes:
    """Cut a text at the end of a line so that it fits, with a word about it."""
    data = text.encode("utf-8", errors="backslashreplace")
    if len(data) <= room:
        return data
    note = b"\n\n(cut: GitHub takes no more for one step)\n"
    return data[: data.rfind(b"\n", 0, room - len(note)) + 1] + note if room > len(note) else b""
