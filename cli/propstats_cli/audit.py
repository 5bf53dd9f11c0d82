"""`propstats audit`."""

from typing import TYPE_CHECKING, Annotated

import typer

from propstats_cli import options
from propstats_cli.output import Answer, print_table

if TYPE_CHECKING:
    from rich.console import Console

    from propstats.auditing.records import AuditReport, DataInfo, Rate


def audit(
    model: Annotated[str, typer.Argument(help="A pickled module, a state_dict, safetensors, or a folder.")],
    data: options.Data = "digits",
    arch: options.Arch = None,
    allow: options.Allow = None,
    class_: options.Class = None,
    partial: options.Partial = False,
    trust: options.Trust = False,
    no_verify: options.NoVerify = False,
    normalize: options.Normalize = None,
    data_dir: options.DataDir = None,
    offline: options.Offline = False,
    samples: options.Samples = 2048,
    seed: options.Seed = 0,
    static: Annotated[bool, typer.Option("--static", help="Look at the weights alone, without running them.")] = False,
    html: Annotated[str | None, typer.Option("--html", metavar="FILE", help="Write one self-contained page.")] = None,
    json: options.Json = False,
) -> Answer:
    """Audit a real network on real data.

    Does signal survive, forwards and backwards? If not, where does it die, and what helps? The file is loaded
    without executing anything in it. Weights without --arch are looked at alone: their scales, schemes and faults.
    Exit code 1 if the verdict is FAIL.

    \b
    Examples:
      propstats audit model.pt --data digits
      propstats audit weights.safetensors
      propstats audit weights.safetensors --arch mypackage.models:make --data images.npy --html report.html
    """
    from propstats.auditing.audit import audit as run
    from propstats.errors import WeightsOnlyError
    from propstats_cli.progress import bars
    from propstats_cli.static import static_audit

    access = options.access(arch, allow, class_, partial, trust, no_verify)
    if static:
        return static_audit(model, access, json=json)
    try:
        with bars() as show:
            report = run(
                model,
                data,
                access=access,
                normalize=normalize,
                places=options.places(data_dir, offline),
                samples=samples or None,
                seed=seed,
                progress=lambda done, total: show("auditing", done, total),
            )
    except WeightsOnlyError:
        if html is not None:  # a page shows the signal, and there is none
            raise
        return static_audit(model, access, json=json)
    if html is not None:
        import shlex
        import sys

        from propstats.files import write_atomically
        from propstats.report.page import audit_page

        write_atomically(html, audit_page(report, command=shlex.join(["propstats", *sys.argv[1:]])))
    return Answer("audit", report, report.passed, json, lambda out: _render(out, report, html))


def _render(out: "Console", report: "AuditReport", html: str | None = None) -> None:
    """Print a report: facts, table, rates, findings, verdict."""
    import math

    from rich.markup import escape
    from rich.table import Table

    from propstats_cli.numbers import short

    model, data = report.model, report.data
    name = escape(model.path or "in memory")
    out.print(f"model  {name}: {model.format}, {model.parameters:,} parameters", soft_wrap=True)
    layout = "" if data.layout == "as it is" else f", {data.layout}"
    out.print(
        f"data   {escape(data.name)}: {_samples(data)} of {'x'.join(map(str, data.shape))}{layout}, "
        f"normalised: {data.normalization}",
        soft_wrap=True,
    )
    for note in data.notes:
        out.print(f"       {escape(note)}", soft_wrap=True)
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
            escape(layer.name) + (f" #{layer.call}" if layer.call else ""),
            escape(layer.type),
            root(layer.forward.var.value),
            root(expected.var if expected else None),
            short(layer.forward.c),
            root(back.value if back else None),
            root(expected.gradient_input if expected else None),
            layer.verdict,
        )
    print_table(out, table)
    out.print(
        "signal std: over the data, mean of units; c: correlation of two inputs; gradient: root mean square at the "
        "layer's input of v.output, v ~ N(0,1); expected: by theory, from the network's input and output",
        soft_wrap=True,
    )
    for name, rate in (("forwards", report.trend.forward_rate), ("backwards", report.trend.backward_rate)):
        if rate is not None:
            out.print(f"{name:9} {_rate(rate)}", soft_wrap=True)
    total = len(report.layers)
    out.print(f"coverage  {report.coverage.analysed} of {total} layers have an expectation", soft_wrap=True)
    for skipped in report.coverage.skipped:
        out.print(f"          {escape(skipped.name)}: {escape(skipped.reason)}", soft_wrap=True)
    for finding in report.findings:
        colour = {"error": "bold red", "warning": "yellow"}.get(finding.severity, "dim")
        out.print(f"[{colour}]{finding.severity}[/] {finding.rule}: {escape(finding.message)}", soft_wrap=True)
        out.print(f"      -> {escape(finding.remedy)}", soft_wrap=True)
    verdict = "[bold green]PASS[/]: signal survives" if report.passed else "[bold red]FAIL[/]: signal does not survive"
    out.print(f"verdict   {verdict}")
    if html is not None:
        out.print(f"page      {escape(html)}", soft_wrap=True)


def _samples(data: "DataInfo") -> str:
    of = f" of {data.available:,}" if data.available is not None and data.available > data.samples else ""
    return f"{data.samples:,}{of} samples"


def _rate(rate: "Rate") -> str:
    low, high = rate.interval
    expected = f"; theory x{rate.expected:.3g}" if rate.expected is not None else ""
    return f"x{rate.value:.3g} a layer of weights [{low:.3g}, {high:.3g}], x{rate.total:.2g} from end to end{expected}"
