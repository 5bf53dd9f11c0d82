"""`propstats audit`."""

from typing import TYPE_CHECKING, Annotated

import typer

from propstats_cli import options
from propstats_cli.output import Answer, print_table

if TYPE_CHECKING:
    from rich.console import Console

    from propstats.auditing.records import AuditReport, Rate


def audit(
    model: Annotated[str, typer.Argument(help="A pickled module of torch.nn classes, a state_dict or safetensors.")],
    data: Annotated[str, typer.Option("--data", help="digits, gaussian:SHAPE, or a .npy or .npz file.")] = "digits",
    arch: options.Arch = None,
    normalize: options.Normalize = None,
    seed: options.Seed = 0,
    policy: Annotated[
        str,
        typer.Option("--policy", help="signal: does it survive? canonical: is every layer canonical?"),
    ] = "signal",
    fix: Annotated[
        str | None, typer.Option("--fix", metavar="FILE", help="Rescale the weights, audit again, write the network.")
    ] = None,
    method: Annotated[
        str, typer.Option("--method", help="How to fix: theory (edge of chaos), lsuv, or backward.")
    ] = "theory",
    retrain_ok: Annotated[
        bool, typer.Option("--retrain-ok", help="Fix weights that look trained, too: what they learned is lost.")
    ] = False,
    html: Annotated[str | None, typer.Option("--html", metavar="FILE", help="Write one self-contained page.")] = None,
    json: options.Json = False,
) -> Answer:
    """Audit a real network on real data.

    Does signal survive, forwards and backwards? If not, where does it die, and what helps? The file is loaded
    without executing anything in it. Exit code 1 if the verdict is FAIL.

    \b
    Examples:
      propstats audit model.pt --data digits
      propstats audit weights.safetensors --arch mypackage.models:make --data images.npy --html report.html
      propstats audit model.pt --policy canonical --data images.npy --normalize feature
      propstats audit fresh.pt --fix critical.pt --method theory
    """
    if fix is not None:
        from propstats_cli.fixing import fixed

        return fixed(
            model,
            data,
            fix,
            method=method,
            retrain_ok=retrain_ok,
            arch=arch,
            normalize=normalize,
            seed=seed,
            policy=policy,
            json=json,
        )
    from propstats.auditing.audit import audit as run
    from propstats_cli.progress import bars

    with bars() as show:
        report = run(
            model,
            data,
            arch=arch,
            normalize=normalize,
            seed=seed,
            policy=policy,
            progress=lambda done, total: show("auditing", done, total),
        )
    if html is not None:
        import shlex
        import sys

        from propstats.report.files import write_atomically
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
        f"data   {escape(data.name)}: {data.samples:,} samples of {'x'.join(map(str, data.shape))}{layout}, "
        f"normalised: {data.normalization}",
        soft_wrap=True,
    )
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


def _rate(rate: "Rate") -> str:
    low, high = rate.interval
    expected = f"; theory x{rate.expected:.3g}" if rate.expected is not None else ""
    return f"x{rate.value:.3g} a layer of weights [{low:.3g}, {high:.3g}], x{rate.total:.2g} from end to end{expected}"
