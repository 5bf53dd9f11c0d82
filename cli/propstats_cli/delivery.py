"""How an audit is delivered: to the terminal, to files, to GitHub."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from propstats_cli.options import FailOn
from propstats_cli.output import ExitCode, envelope

if TYPE_CHECKING:
    from propstats.auditing.records import AuditReport
    from propstats.report.outputs import Outputs


@dataclass(frozen=True, slots=True)
class Delivery:
    """How the answer of `propstats audit` is given.

    Args:
        outputs: The files that it is written to.
        fail_on: Which findings fail.
        quiet: Whether the terminal gets the verdict alone.
        json: Whether it gets one JSON document.
    """

    outputs: "Outputs"
    fail_on: FailOn
    quiet: bool
    json: bool

    def write(self, report: "AuditReport", answer: Any, *, passed: bool) -> list[Path]:
        """Write an audit to all files, and say of its findings to GitHub if it listens; return the files' names.

        Args:
            report: The audit.
            answer: Its data in JSON.
            passed: Whether its findings pass.

        Raises:
            OutputError: If a file cannot be written.
        """
        document = envelope("audit", ExitCode.OK if passed else ExitCode.FINDINGS, data=answer)
        written = self.outputs.write(report, document, command=_command_line())
        if self.outputs.summary is not None:
            import sys

            from propstats.report.github import annotations

            for line in annotations(report.findings):
                print(line, file=sys.stderr)  # stdout is the answer's
        return written


def _command_line() -> str:
    import shlex
    import sys

    return shlex.join(["propstats", *sys.argv[1:]])
