"""`propstats claims`."""

from itertools import groupby
from textwrap import fill
from typing import TYPE_CHECKING, Annotated, Any

import typer

from propstats_cli import options
from propstats_cli.output import Answer

if TYPE_CHECKING:
    from rich.console import Console

    from propstats.published.judgement import Judgement


def claims(
    match: Annotated[str, typer.Option("--match", metavar="TEXT", help="Only claims that contain this text.")] = "",
    write: Annotated[
        str | None,
        typer.Option("--write", metavar="FILE", callback=options.output_file, help="Write them as Markdown."),
    ] = None,
    corrections: Annotated[
        str | None,
        typer.Option(
            "--corrections",
            metavar="FILE",
            callback=options.output_file,
            help="Write what could be sent to four projects: theirs, and exact.",
        ),
    ] = None,
    json: options.Json = False,
) -> Answer:
    """What papers and packages print, beside what is exact.

    Each printed number, formula and statement is compared with one that is computed when the command runs, at the
    precision that was printed. That another's number is off is information: the exit code is 0 all the same.

    \b
    Examples:
      propstats claims --match "Arpit et al. 2016"
      propstats claims --match sigmoid --json
      propstats claims --write claims.md
      propstats claims --corrections corrections.md
    """
    from propstats.files import write_atomically
    from propstats.published.corrections import corrections_page
    from propstats.published.judgement import judge_all
    from propstats.published.markdown import to_markdown

    judgement = judge_all(match)
    if write is not None:
        write_atomically(write, to_markdown(judgement))
    if corrections is not None:
        write_atomically(corrections, corrections_page())
    return Answer("claims", _document(judgement), True, json, lambda out: _render(out, judgement, write, corrections))


def _document(judgement: "Judgement") -> dict[str, list[dict[str, Any]]]:
    names = ("id", "source", "statement", "printed", "exact", "holds", "verdict", "relative_error", "note", "seed")
    return {"claims": [{name: getattr(claim, name) for name in names} for claim in judgement.claims]}


def _render(out: "Console", judgement: "Judgement", written: str | None, corrections: str | None) -> None:
    from propstats.published.claims import Verdict
    from propstats.text import printable

    counted = ((judgement.count(verdict), verdict) for verdict in Verdict)
    counts = ", ".join(f"{count} {verdict}" for count, verdict in counted if count)
    if corrections is not None:
        out.print(f"wrote corrections to {printable(corrections)}", markup=False, soft_wrap=True)
    if written is not None:
        what = f"wrote {len(judgement.claims)} claims to {printable(written)}: {counts}"
        out.print(what, markup=False, soft_wrap=True)
    if written is not None or corrections is not None:
        return
    for source, group in groupby(judgement.claims, lambda claim: claim.title):
        out.print(f"\n{source}", style="bold", markup=False, soft_wrap=True)
        for claim in group:
            off = "" if claim.holds or claim.relative_error is None else f" by {claim.relative_error:+.1e}"
            _indented(out, 2, f"{claim.where}: {claim.statement}")
            _indented(out, 6, f"{claim.verdict}{off}: printed {claim.printed}, exact {claim.exact}")
            if claim.note:
                _indented(out, 6, f"({claim.note})")
    out.print(f"\n{len(judgement.claims)} claims: {counts}", markup=False, soft_wrap=True)


def _indented(out: "Console", indent: int, text: str) -> None:
    """Print lines that fit the terminal; what has no space in it is not cut, be it too long."""
    space = " " * indent
    lines = fill(
        text, out.width, initial_indent=space, subsequent_indent=space, break_long_words=False, break_on_hyphens=False
    )
    out.print(lines, markup=False, soft_wrap=True)
