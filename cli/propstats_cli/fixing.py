"""`propstats audit --fix`: before and after, side by side."""

from typing import TYPE_CHECKING, Any

from propstats_cli.audit_table import render_written
from propstats_cli.delivery import Delivery
from propstats_cli.output import Answer, print_table

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from rich.console import Console

    from propstats.auditing.fixing.records import FixReport
    from propstats.auditing.records import AuditReport


def fixed(model: str, data: str, out: str, delivery: Delivery, *, method: str, retrain_ok: bool, **how: Any) -> Answer:
    """Fix a network, write it, and answer with the audits before and after.

    Files show the one after. `how` is as for `propstats.audit`.
    """
    from propstats.auditing.fixing.fix import fix
    from propstats.report.jsonable import to_jsonable

    report = fix(model, data, out, method=method, retrain_ok=retrain_ok, **how)
    passed = delivery.fail_on.allows(report.after.findings)
    written = delivery.write(report.after, to_jsonable(report.after), passed=passed)
    return Answer(
        "audit", report, passed, delivery.json, lambda console: _render(console, report, written, delivery.quiet)
    )


def _render(out: "Console", report: "FixReport", written: "Sequence[Path]", quiet: bool) -> None:
    import math

    from rich.markup import escape
    from rich.table import Table

    from propstats_cli.numbers import short

    verdict = "verdict   " + ("[bold green]PASS[/] after the fix" if report.passed else "[bold red]FAIL[/] still")
    if quiet:
        out.print(verdict)
        return
    done = "converted" if report.method == "normprop" else "scaled"
    out.print(f"method  {report.method}: {len(report.changes)} layers {done}", soft_wrap=True)
    for sign in report.trained:
        out.print(f"trained {escape(sign)}: what it had learned is gone", soft_wrap=True)
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("layer", no_wrap=True)
    for heading in ("weights x", "signal std", "after", "gradient", "after"):
        table.add_column(heading, justify="right", no_wrap=True)
    factors = {change.name: change.factor for change in report.changes}
    weighted = [[layer for layer in audit.layers if layer.is_weights] for audit in (report.before, report.after)]
    for before, after in zip(*weighted, strict=True):
        stds = [math.sqrt(layer.forward.var.value) for layer in (before, after) if layer.forward.var.value >= 0]
        back = [math.sqrt(layer.backward.input.value) for layer in (before, after) if layer.backward.input]
        row = [short(x) for x in stds] if len(stds) == 2 else ["", ""]
        row += [short(x) for x in back] if len(back) == 2 else ["", ""]
        table.add_row(escape(before.name), short(factors.get(before.name)), *row)
    print_table(out, table)
    for check in report.checks:
        if check.before is None or check.after is None:
            continue
        theory = ""
        if check.predicted is not None:
            agreed = "as predicted" if check.agrees else "[bold red]not as predicted[/]"
            theory = f" (theory x{check.predicted.value:.4g} +- {check.predicted.error:.2g}: {agreed})"
        out.print(
            f"{check.direction + 's':9} x{check.before:.4g} a layer before, x{check.after.value:.4g} after{theory}",
            soft_wrap=True,
        )
    for skipped in report.left_alone:
        out.print(f"left alone {escape(skipped.name)}: {escape(skipped.reason)}", soft_wrap=True)
    out.print(f"before    {_findings(report.before)}", soft_wrap=True)
    out.print(f"after     {_findings(report.after)}", soft_wrap=True)
    out.print(f"wrote     {escape(report.path or '')}: {report.format}, to be trained from here", soft_wrap=True)
    render_written(out, written)
    out.print(verdict)


def _findings(report: "AuditReport") -> str:
    from rich.markup import escape

    found = dict.fromkeys(f"{finding.rule} ({finding.severity})" for finding in report.findings)
    return escape(", ".join(found)) or "nothing found"
