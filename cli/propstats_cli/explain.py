"""`propstats explain`."""

from typing import TYPE_CHECKING, Annotated

import typer

from propstats_cli import options
from propstats_cli.output import Answer

if TYPE_CHECKING:
    from rich.console import Console

    from propstats.handbook.entry import Entry


def explain(
    name: Annotated[str, typer.Argument(help="A quantity or field as --json names it, a weight scheme or a finding.")],
    json: options.Json = False,
) -> Answer:
    """What a number, a weight scheme or a finding means.

    What it is, where it comes from, how propstats computes it, how wrong it may be, and what to do.

    \b
    Examples:
      propstats explain jacobian_factor
      propstats explain he --json
    """
    from propstats.handbook.explain import explain as look_up

    found = look_up(name)
    return Answer("explain", {"entries": found}, True, json, lambda out: _render(out, found))


def _render(out: "Console", entries: "tuple[Entry, ...]") -> None:
    from rich.text import Text

    for number, entry in enumerate(entries):
        if number:
            out.print()
        out.print(Text.assemble((entry.name, "bold"), f"  {entry.title}" if entry.title != entry.name else ""))
        for line in Text(entry.meaning).wrap(out, max(out.width - 2, 20)):
            out.print(Text("  ") + line, soft_wrap=True)
        rows = {
            "formula": entry.formula,
            "source": entry.source,
            "computed": entry.computed,
            "error": entry.error,
            "advice": entry.advice,
            "printed by": ", ".join(entry.found_in),
            "try": entry.example,
        }
        width = max(map(len, rows))
        for label, text in rows.items():
            lines = Text(text).wrap(out, max(out.width - width - 4, 20)) if text else ()
            for position, line in enumerate(lines):
                out.print(Text(f"  {'' if position else label:{width}}  ", "dim") + line, soft_wrap=True)
