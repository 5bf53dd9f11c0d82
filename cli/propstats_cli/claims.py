"""`propstats claims`."""

from itertools import groupby
from typing import TYPE_CHECKING, Annotated, Any

import typer

from propstats_cli import options
from propstats_cli.output import Answer

if TYPE_CHECKING:
    from rich.console import Console

    from propstats.published.judgement import Judgement


def claims(
    match: Annotated[str, typer.Option("--match", metavar="TEXT", help="Only claims that contain this text.")] = "",
    write: Annotated[str | None, typer.Option("--write", metavar="FILE", help="Write them as Markdown.")] = None,
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
    """
    from propstats.published.judgement import judge_all
    from propstats.published.markdown import to_markdown
    from propstats.report.files import write_atomically

    judgement = judge_all(match)
    if write is not None:
        write_atomically(write, to_markdown(judgement))
    return Answer("claims", _document(judgement), True, json, lambda out: _render(out, judgement, write))


def _document(judgement: "Judgement") -> dict[str, list[dict[str, Any]]]:
    names = ("id", "source", "statement", "printed", "exact", "holds", "verdict", "relative_error", "note", "seed")
    return {"claims": [{name: getattr(claim, name) for name in names} for claim in judgement.claims]}


def _render(out: "Console", judgement: "Judgement", written: str | None) -> None:
    from rich.padding import Padding
    from rich.text import Text

    from propstats.published.claims import Verdict
    from propstats.text import printable

    counts = ", ".join(f"{judgement.count(verdict)} {verdict}" for verdict in Verdict)
    if written is not None:
        what = f"wrote {len(judgement.claims)} claims to {printable(written)}: {counts}"
        out.print(what, markup=False, soft_wrap=True)
        return
    for source, group in groupby(judgement.claims, lambda claim: claim.title):
        out.print(Text(f"\n{source}", style="bold"))
        for claim in group:
            off = "" if claim.holds or claim.relative_error is None else f" by {claim.relative_error:+.1e}"
            out.print(Padding(Text(f"{claim.where}: {claim.statement}"), (0, 0, 0, 2), expand=False))
            found = f"{claim.verdict}{off}: printed {claim.printed}, exact {claim.exact}"
            out.print(Padding(Text(found), (0, 0, 0, 6), expand=False))
            if claim.note:
                out.print(Padding(Text(f"({claim.note})"), (0, 0, 0, 6), expand=False))
    out.print(f"\n{len(judgement.claims)} claims: {counts}", markup=False, soft_wrap=True)
