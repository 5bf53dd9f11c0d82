"""The claims as a page of Markdown."""

from itertools import groupby

from propstats.published.claims import JudgedClaim, Verdict
from propstats.published.judgement import Judgement

_HEAD = """\
# Claims

What others printed, beside what is exact. Written by `propstats claims --write reports/claims.md`; every verdict is
computed when it runs.

- **holds**: the exact number rounds to the printed one; a formula agrees in thirty digits wherever it is compared; a
  statement survives its check in exact arithmetic.
- **cut off**: the printed digits are the first ones of the exact number, but the next one would round the last up.
- **nearest double**: printed with more digits than a double has; the exact number does not round to them, but the
  double that they mean is the nearest one.
- **estimate off**: the source says that it estimated, from random samples or by a fit, and the exact number does not
  round to what it printed. The relative error says how far off it is.
- **fails**: anything else that does not hold, be it in the last of nineteen digits.
"""


def to_markdown(judgement: Judgement) -> str:
    """Write claims as Markdown, with a section for each source."""
    parts = [_HEAD, _summary(judgement)]
    for source, claims in groupby(judgement.claims, lambda claim: claim.title):
        parts.append(f"## {_cell(source)}\n")
        parts.append("| where | claim | printed | exact | verdict | relative error |\n|---|---|---|---|---|---|\n")
        parts[-1] += "".join(_row(claim) for claim in claims)
    return "\n".join(parts)


def _summary(judgement: Judgement) -> str:
    counted = ((judgement.count(verdict), verdict) for verdict in Verdict)
    counts = ", ".join(f"{count} {verdict}" for count, verdict in counted if count)
    return f"{len(judgement.claims)} claims: {counts}.\n"


def _row(claim: JudgedClaim) -> str:
    error = "" if claim.relative_error in (None, 0.0) else f"{claim.relative_error:+.1e}"
    statement = _cell(f"{claim.statement} ({claim.note})" if claim.note else claim.statement)
    verdict = claim.verdict if claim.holds else f"**{claim.verdict}**"
    cells = (_cell(claim.where), statement, _code(claim.printed), _code(claim.exact), verdict, error)
    return f"| {' | '.join(cells)} |\n"


def _cell(text: str) -> str:
    """Write text so that no table and no formatting comes of it."""
    return "".join(f"\\{c}" if c in r"\|*_`<>[]" else c for c in text)


def _code(text: str) -> str:
    return f"`{text.replace('|', chr(92) + '|')}`"
