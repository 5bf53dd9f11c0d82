"""`propstats demo`."""

from typing import TYPE_CHECKING, Annotated

import typer

from propstats_cli import options
from propstats_cli.output import Answer, print_table

if TYPE_CHECKING:
    from rich.console import Console

    from propstats.experiments.demo import DemoResult


def demo(
    out: Annotated[str, typer.Option("--out", metavar="FOLDER", help="Where to save them.")] = "propstats-demo",
    steps: Annotated[int, typer.Option("--steps", min=1, help="Training steps for each network.")] = 300,
    seed: options.Seed = 0,
    json: options.Json = False,
) -> Answer:
    """Train two networks, audit both, say why one fails.

    One carries signal through its 20 layers, the other does not. Takes some seconds.

    \b
    Examples:
      propstats demo
      propstats demo --steps 100 --out my-networks --json
    """
    from propstats.experiments.demo import demo as run
    from propstats_cli.progress import bars

    with bars() as show:
        result = run(out, steps=steps, seed=seed, progress=show)
    return Answer("demo", result, result.as_expected, json, lambda console: _render(console, result))


def _render(out: "Console", result: "DemoResult") -> None:
    from rich.markup import escape
    from rich.table import Table

    out.print(
        f"Two networks of {result.depth} layers ({result.width} ReLU units each), trained for {result.steps} steps on "
        "real 8x8 images of digits. They differ only in how their weights were drawn.\n",
        soft_wrap=True,
    )
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("network", "weights", "accuracy", "signal, a layer", "gradient, a layer", "audit"):
        table.add_column(heading, no_wrap=True)
    for network in (result.carries, result.dies):
        trend = network.report.trend
        rates = [f"x{rate.value:.2f}" if rate else "-" for rate in (trend.forward_rate, trend.backward_rate)]
        verdict = "[green]PASS[/]" if network.report.passed else "[red]FAIL[/]"
        table.add_row(escape(network.path), network.drawn, f"{network.accuracy:.0%}", *rates, verdict)
    print_table(out, table)
    out.print()
    for finding in result.dies.report.findings:
        if finding.severity == "error":
            out.print(f"{escape(result.dies.path)}: {escape(finding.rule)}: {escape(finding.message)}", soft_wrap=True)
    out.print(f"\n{escape(result.explanation)}\n")
    out.print(f"Next: propstats audit {escape(result.dies.path)} --data digits --html report.html", soft_wrap=True)
