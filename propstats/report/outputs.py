"""Everything that one audit can be written as."""

from dataclasses import dataclass, replace
from pathlib import Path

from propstats.auditing.records import AuditReport
from propstats.errors import OutputError
from propstats.files import check_can_write, write_atomically
from propstats.report.github import append_summary, summary, summary_file
from propstats.report.jsonable import Json, dump
from propstats.text import printable


@dataclass(frozen=True, slots=True)
class Outputs:
    """Files to write an audit to; None leaves one out.

    Args:
        html: One self-contained page.
        junit: JUnit XML.
        plot: The overview as a figure: .png, .svg or .pdf.
        json: The document that `--json` prints.
        summary: The file that GitHub Actions reads the summary of a step from.
    """

    html: Path | None = None
    junit: Path | None = None
    plot: Path | None = None
    json: Path | None = None
    summary: Path | None = None

    @classmethod
    def of(
        cls, html: str | None, junit: str | None, plot: str | None, folder: str | None, *, github: bool
    ) -> "Outputs":
        """Collect what was asked for, and refuse what cannot be written before any work is done.

        Args:
            html: Name of the page.
            junit: Name of the JUnit file.
            plot: Name of the figure.
            folder: A directory for all of them under names of their own; it is made if it is not there.
            github: Whether to write the summary of a GitHub Actions step.

        Raises:
            DomainError: If the figure has no known format, or GitHub names no file.
            OutputError: If a place cannot be written to.
        """
        named = {"html": html, "junit": junit, "plot": plot}
        path = {name: Path(value) for name, value in named.items() if value is not None}
        found = cls(**path, summary=summary_file() if github else None)
        if folder is not None:
            place = _made(folder)
            found = replace(
                found,
                html=found.html or place / "audit.html",
                junit=found.junit or place / "audit.junit.xml",
                plot=found.plot or place / "audit.png",
                json=place / "audit.json",
            )
        if found.plot is not None:
            from propstats.report.style import kind_of

            kind_of(found.plot)
        for target in (found.html, found.junit, found.plot, found.json):
            if target is not None:
                check_can_write(target)
        return found

    @property
    def wanted(self) -> bool:
        """Whether anything is to be written."""
        return any((self.html, self.junit, self.plot, self.json, self.summary))

    def write(self, report: AuditReport, document: Json, *, command: str | None = None) -> list[Path]:
        """Write an audit to all these files, each whole or not at all, and return their names.

        Args:
            report: The audit.
            document: What `--json` prints of it.
            command: The command line that made it.

        Raises:
            OutputError: If one cannot be written; those before it are there.
        """
        written = []
        if self.json is not None:
            write_atomically(self.json, dump(document))
            written.append(self.json)
        if self.html is not None:
            from propstats.report.page import audit_page

            write_atomically(self.html, audit_page(report, command=command))
            written.append(self.html)
        if self.junit is not None:
            from propstats.report.junit import junit_xml

            write_atomically(self.junit, junit_xml(report))
            written.append(self.junit)
        if self.plot is not None:
            from propstats.report.overview_figure import overview_figure
            from propstats.report.style import save

            save(overview_figure(report), self.plot)
            written.append(self.plot)
        if self.summary is not None:
            append_summary(self.summary, summary(report))
        return written


def _made(folder: str) -> Path:
    place = Path(folder)
    try:
        place.mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise OutputError(f"cannot make the directory {printable(folder)}: {why}", "name another one") from error
    return place
