"""The page of claims: written as it stands in the repository, and safe whatever is claimed."""

from pathlib import Path

from propstats.published.claims import Claim, Source
from propstats.published.judgement import judge_all
from propstats.published.markdown import to_markdown

REPORT = Path(__file__).parents[2] / "reports" / "claims.md"


def test_the_report_is_what_the_command_writes() -> None:
    assert REPORT.read_text(encoding="utf-8") == to_markdown(judge_all())


def test_every_row_has_six_cells() -> None:
    rows = [line for line in REPORT.read_text(encoding="utf-8").splitlines() if line.startswith("|")]
    assert len(rows) > 200
    for row in rows:
        assert row.replace("\\|", "").count("|") == 7, row


def test_formatting_is_escaped() -> None:
    source = Source("a *b* | [c](d) <script>")
    page = to_markdown(judge_all(claims=[Claim("a-b", source, "x|y", "_z_ `w`", "1", "1", equal=True, note="|n|")]))
    assert r"## a \*b\* \| \[c\](d) \<script\>" in page
    assert r"| x\|y | \_z\_ \`w\` (\|n\|) | `1` | `1.00000000000` | holds |  |" in page


def test_sources_have_one_section_each() -> None:
    headings = [line for line in REPORT.read_text(encoding="utf-8").splitlines() if line.startswith("## ")]
    assert len(headings) == len(set(headings)) == len({claim.title for claim in judge_all().claims})
