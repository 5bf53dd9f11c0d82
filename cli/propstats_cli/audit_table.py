"""What `propstats audit` prints for people."""

import math
import os
import re
from typing import TYPE_CHECKING

from propstats_cli.output import print_table

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from propstats.auditing.records import AuditReport, DataInfo, Rate

#: A layer's name keeps at least this much of itself in a narrow terminal.
_LEAST = 12


def render(out: "Console", report: "AuditReport") -> None:
    """Print a report: facts, table, rates, coverage, findings, verdict."""
    model, data = report.model, report.data
    name = shown(model.path) if model.path else "in memory"
    out.print(f"model  {name}: {shown(model.format)}, {model.parameters:,} parameters", soft_wrap=True)
    layout = "" if data.layout == "as it is" else f", {shown(data.layout)}"
    out.print(
        f"data   {shown(data.name)}: {_samples(data)} of {'x'.join(map(str, data.shape))}{layout}, "
        f"normalised: {shown(data.normalization)}",
        soft_wrap=True,
    )
    for note in (*model.notes, *data.notes):
        out.print(f"       {shown(note)}", soft_wrap=True)
    print_table(out, _layers(report, _room(out, report)))
    out.print(
        "signal std: over the data, mean of units; c: correlation of two inputs; gradient: root mean square at the "
        "layer's input of v.output, v ~ N(0,1); expected: by theory, from the network's input and output",
        soft_wrap=True,
    )
    for direction, rate in (("forwards", report.trend.forward_rate), ("backwards", report.trend.backward_rate)):
        if rate is not None:
            out.print(f"{direction:9} {_rate(rate)}", soft_wrap=True)
    total = len(report.layers)
    out.print(f"coverage  {report.coverage.analysed} of {total} layers have an expectation", soft_wrap=True)
    for skipped in report.coverage.skipped:
        out.print(f"          {shown(skipped.name)}: {shown(skipped.reason)}", soft_wrap=True)
    for finding in report.findings:
        colour = {"error": "bold red", "warning": "yellow"}.get(finding.severity, "dim")
        out.print(f"[{colour}]{finding.severity}[/] {shown(finding.rule)}: {shown(finding.message)}", soft_wrap=True)
        out.print(f"      -> {shown(finding.remedy)}", soft_wrap=True)
    render_verdict(out, report)


def _samples(data: "DataInfo") -> str:
    of = f" of {data.available:,}" if data.available is not None and data.available > data.samples else ""
    return f"{data.samples:,}{of} samples"


def render_verdict(out: "Console", report: "AuditReport") -> None:
    """Print the last line."""
    verdict = "[bold green]PASS[/]: signal survives" if report.passed else "[bold red]FAIL[/]: signal does not survive"
    out.print(f"verdict   {verdict}")


def shown(text: str) -> str:
    r"""Make a stranger's text safe to print: no escapes, no markup, and no commands to GitHub's log.

    >>> print(shown("fc\x1b[1m"), shown("::error::all is lost"), shown("a [red]b"))
    fc\x1b[1m ':':error::all is lost a \[red]b
    """
    from rich.markup import escape

    from propstats.text import printable

    # GitHub takes a line that starts with :: for a command, and ##[ anywhere for one.
    text = re.sub(r"^(\s*):(?=:)", r"\1':'", printable(text)).replace("##[", "#'#'[")
    return escape(text)


def _layers(report: "AuditReport", room: int) -> "Table":
    from rich.table import Table

    from propstats_cli.numbers import short

    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("layer", no_wrap=True)
    table.add_column("type", no_wrap=True)
    for heading in ("signal std", "expected", "c", "gradient", "expected"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("verdict", no_wrap=True)

    def root(square: float | None) -> str:
        return short(math.sqrt(square) if square is not None and square >= 0 else square)

    for layer in report.layers:
        expected, back = layer.expected or layer.one_step, layer.backward.input
        table.add_row(
            shown(shortened(layer.name, room)) + (f" #{layer.call}" if layer.call else ""),
            shown(layer.type),
            root(layer.forward.var.value),
            root(expected.var if expected else None),
            short(layer.forward.c),
            root(back.value if back else None),
            root(expected.gradient_input if expected else None),
            layer.verdict,
        )
    return table


def _room(out: "Console", report: "AuditReport") -> int:
    """Return how many characters of a layer's name fit beside the numbers; in a file or a pipe, all."""
    from rich.measure import Measurement

    longest = max((len(layer.name) for layer in report.layers), default=0)
    if not (out.is_terminal or "COLUMNS" in os.environ):
        return longest
    needed = Measurement.get(out, out.options.update(max_width=10_000), _layers(report, longest)).maximum
    return max(_LEAST, longest - max(0, needed - out.width))


def shortened(name: str, room: int) -> str:
    """Leave out the middle of a name: its start says which block it is in, its end what it does.

    >>> shortened("encoder.layers.11.attention.output.dense", 24)
    'encoder.la...utput.dense'
    >>> shortened("fc1", 12)
    'fc1'
    """
    if len(name) <= room:
        return name
    kept = room - 3
    return name[: kept // 2] + "..." + name[len(name) - (kept - kept // 2) :]


def _rate(rate: "Rate") -> str:
    low, high = rate.interval
    expected = f"; theory x{rate.expected:.3g}" if rate.expected is not None else ""
    return f"x{rate.value:.3g} a layer of weights [{low:.3g}, {high:.3g}], x{rate.total:.2g} from end to end{expected}"
