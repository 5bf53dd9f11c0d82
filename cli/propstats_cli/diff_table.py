"""What `propstats diff` prints for people."""

from typing import TYPE_CHECKING

from propstats_cli.audit_table import shortened, shown
from propstats_cli.output import print_table

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from propstats.report.diff import AuditDiff, FindingChange

#: Statistics to print; all of them are in the JSON.
_SHOWN = 20


def render(out: "Console", result: "AuditDiff") -> None:
    """Print what changed: findings, then statistics, then the verdict."""
    from propstats.report.diff import FALSE_ALARM

    out.print(f"before    {shown(result.before or 'in memory')}", soft_wrap=True)
    same = {True: " (the same file)", False: "", None: ""}[result.same_weights]
    out.print(f"after     {shown(result.after or 'in memory')}{same}", soft_wrap=True)
    if not result.same_data:
        out.print("note      the data differ, so the networks may not be what changed", soft_wrap=True)
    for change in result.findings:
        out.print(_finding(change), soft_wrap=True)
    if result.moved:
        print_table(out, _moves(result))
    if len(result.moved) > _SHOWN:
        out.print(f"          and {len(result.moved) - _SHOWN} more: --json has all", soft_wrap=True)
    out.print(
        f"moved     {len(result.moved)} of {result.compared} statistics, beyond their errors; "
        f"without a change any at all would with probability {FALSE_ALARM:.0%}",
        soft_wrap=True,
    )
    if result.passed:
        out.print("compared  [bold green]PASS[/]: nothing got worse")
    else:
        what = f"{len(result.regressions)} findings are new or worse" if result.regressions else "statistics moved"
        out.print(f"compared  [bold red]FAIL[/]: {what}")


def _finding(change: "FindingChange") -> str:
    colour = {"new": "bold red", "worse": "bold red", "gone": "green", "better": "green"}.get(change.change, "dim")
    finding = change.after or change.before
    assert finding is not None
    was = ""
    if change.before is not None and change.after is not None:
        was = f" (was {change.before.severity}, {shown(change.before.layer or 'the network')})"
    return f"[{colour}]{change.change:9}[/] {finding.severity} {shown(finding.rule)}{was}: {shown(finding.message)}"


def _moves(result: "AuditDiff") -> "Table":
    from rich.table import Table

    from propstats_cli.numbers import sampled

    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("layer", no_wrap=True)
    table.add_column("statistic", no_wrap=True)
    for heading in ("before", "after", "z"):
        table.add_column(heading, justify="right", no_wrap=True)
    names = shortened((move.layer for move in result.moved), 24)
    for move in result.moved[:_SHOWN]:
        name = names[move.layer] + (f" #{move.call}" if move.call else "")
        z = f"{move.z:+.1f}" if move.z is not None else "-"
        table.add_row(shown(name), move.statistic, sampled(move.before), sampled(move.after), z)
    return table
