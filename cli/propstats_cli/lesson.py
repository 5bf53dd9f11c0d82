"""`propstats lesson`."""

from typing import TYPE_CHECKING, Annotated

import typer

from propstats_cli import options
from propstats_cli.numbers import short
from propstats_cli.output import Answer

if TYPE_CHECKING:
    from rich.console import Console

    from propstats.experiments.lessons.record import Lesson


def lesson(
    name: Annotated[
        str, typer.Argument(help="zero-centred, unit-variance, scale, identical, glorot, he, batch-norm ...")
    ],
    seed: options.Seed = 0,
    plot: options.Plot = None,
    json: options.Json = False,
) -> Answer:
    """Put a statement on initialisation or normalisation to the test.

    Each lesson takes seconds, on real images that come with propstats, and ends in one number that proves the point.
    Exit code 1 if the statement does not hold.

    \b
    Examples:
      propstats lesson he
      propstats lesson zero-centred --plot zigzag.svg
    """
    from propstats.experiments.lessons.lesson import lesson as run

    result = run(name, seed=seed)
    return Answer("lesson", result, result.holds, json, lambda out: _render(out, result), plot)


def _render(out: "Console", result: "Lesson") -> None:
    out.print(f"[bold]{result.title}[/]: {result.statement}.", soft_wrap=True)
    out.print()
    for name, number in result.numbers.items():
        error = f"  ±{short(number.error)}" if number.error else ""
        out.print(f"  {name:32} {short(number.value):>10}{error}", soft_wrap=True)
    out.print()
    word = "[bold green]holds[/]" if result.holds else "[bold red]does not hold[/]"
    out.print(f"{word}: {result.point}", soft_wrap=True)
