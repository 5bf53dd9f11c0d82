"""`propstats diff`."""

from typing import Annotated

import typer

from propstats_cli import options
from propstats_cli.output import Answer


def diff(
    before: Annotated[str, typer.Argument(help="What propstats audit --json printed.")],
    after: Annotated[str, typer.Argument(help="The same, later.")],
    fail_on: Annotated[
        options.FailOn, typer.Option("--fail-on", help="The least severe new or worse finding that exits with 1.")
    ] = options.FailOn.WARNING,
    plot: options.Plot = None,
    json: options.Json = False,
) -> Answer:
    """What changed between two audits, beyond errors.

    Findings that are new, gone, better or worse, and statistics of layers that moved further than their combined
    standard errors allow; the chance that two audits of an unchanged network differ at all is held at 1 %. Exit code 1
    if something got worse that --fail-on names; `change` names any change.

    \b
    Examples:
      propstats diff before.json after.json
      propstats diff before.json after.json --fail-on change --json
    """
    from propstats.report.diff import diff as compare
    from propstats_cli.diff_table import render

    result = compare(before, after, fail_on=fail_on.value)
    return Answer("diff", result, result.passed, json, lambda out: render(out, result), plot)
