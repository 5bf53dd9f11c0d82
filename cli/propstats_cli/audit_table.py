"""What `propstats audit` prints for people."""

import math
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from propstats_cli.output import print_table

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from propstats.auditing.provenance import DataInfo
    from propstats.auditing.records import AuditReport, Rate

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
    names = shortened((layer.name for layer in report.layers), _room(out, report))
    print_table(out, _layers(report, names))
    if any(name != short for name, short in names.items()):
        out.print("names are cut to their initials to fit; --json and --html have them whole", soft_wrap=True)
    out.print(
        "signal std: over the data, mean of units; c: correlation of two inputs; gradient: root mean square at the "
        "layer's input of v.output, v ~ N(0,1); expected: by theory, from the network's input and output",
        soft_wrap=True,
    )
    _print_profiles(out, report)
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
        out.print(f"      more: {shown(finding.explained_by)}", soft_wrap=True)
    render_verdict(out, report)


def _print_profiles(out: "Console", report: "AuditReport") -> None:
    """Print the two columns that matter most as lines: where they fall or climb is seen at once."""
    from propstats_cli.sparkline import print_profile

    layers = report.layers
    squares = [layer.backward.input.value if layer.backward.input is not None else math.nan for layer in layers]
    signal = [math.sqrt(max(layer.forward.var.value, 0.0)) for layer in layers]
    print_profile(out, "signal", signal, "from input to output")
    print_profile(out, "gradient", [math.sqrt(max(square, 0.0)) for square in squares], "from input to output")


def _samples(data: "DataInfo") -> str:
    of = f" of {data.available:,}" if data.available is not None and data.available > data.samples else ""
    return f"{data.samples:,}{of} samples"


def render_verdict(out: "Console", report: "AuditReport") -> None:
    """Print the last line."""
    verdict = "[bold green]PASS[/]: signal survives" if report.passed else "[bold red]FAIL[/]: signal does not survive"
    out.print(f"verdict   {verdict}")


def render_written(out: "Console", written: Sequence[Path]) -> None:
    """Print which files there are now."""
    for path in written:
        out.print(f"wrote     {shown(str(path))}", soft_wrap=True)


def shown(text: str) -> str:
    r"""Make a stranger's text safe to print: no escapes, no markup, and no commands to GitHub's log.

    >>> print(shown("fc\x1b[1m"), shown("::error::all is lost"), shown("a [red]b"), shown("a ##[error]"))
    fc\x1b[1m \x3a:error::all is lost a \[red]b a #'#'\[error]
    """
    from rich.markup import escape

    from propstats.text import printable

    return escape(printable(text).replace("##[", "#'#'["))  # GitHub takes that for a command anywhere in a line


def _layers(report: "AuditReport", names: Mapping[str, str]) -> "Table":
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
            shown(names[layer.name]) + (f" #{layer.call}" if layer.call else ""),
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

    whole = {layer.name: layer.name for layer in report.layers}
    longest = max(map(len, whole), default=0)
    if not (out.is_terminal or "COLUMNS" in os.environ):
        return longest
    needed = Measurement.get(out, out.options.update(max_width=10_000), _layers(report, whole)).maximum
    return max(_LEAST, longest - max(0, needed - out.width))


def shortened(names: Iterable[str], room: int) -> dict[str, str]:
    """Shorten the names of layers to their initials, from the left, until they fit; two never become the same.

    >>> shortened(["encoder.layers.11.attention.dense", "fc1"], 24)
    {'encoder.layers.11.attention.dense': 'e.l.11.attention.dense', 'fc1': 'fc1'}
    >>> shortened(["x" * 30 + "1", "x" * 30 + "2"], 12)["x" * 30 + "1"]
    'x1'
    """
    short = {name: _shortened(name, room) for name in names}
    return short if len(set(short.values())) == len(short) else {name: name for name in short}


def _shortened(name: str, room: int) -> str:
    parts = name.split(".")
    for i, part in enumerate(parts):
        if len(".".join(parts)) <= room:
            break
        words = re.findall(r"\d+|[^\W\d_]+", part)
        parts[i] = "".join(word if word.isdigit() else word[0] for word in words) or part
    return ".".join(parts)


def _rate(rate: "Rate") -> str:
    low, high = rate.interval
    expected = f"; theory x{rate.expected:.3g}" if rate.expected is not None else ""
    return f"x{rate.value:.3g} a layer of weights [{low:.3g}, {high:.3g}], x{rate.total:.2g} from end to end{expected}"
