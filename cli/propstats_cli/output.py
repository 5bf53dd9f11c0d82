"""How a command answers: the exit codes, the JSON envelope, and text for people."""

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Any

from propstats.errors import PropstatsError
from propstats.text import printable

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text


class ExitCode(IntEnum):
    """What the process exits with."""

    OK = 0
    FINDINGS = 1  # a verdict failed, routes disagree
    USAGE = 2
    INPUT = 3  # the model, the data or the input cannot be used
    FAULT = 4  # of ours
    INTERRUPTED = 130
    BROKEN_PIPE = 141
    TERMINATED = 143


def console(*, stderr: bool = False) -> "Console":
    """Return a console that decides about colour and width now, not at import."""
    from rich.console import Console
    from rich.text import Text

    class Plain(Console):
        def on_broken_pipe(self) -> None:
            raise BrokenPipeError  # rich would exit with 1, which says "findings"

        def print(self, *objects: Any, **options: Any) -> None:
            # A terminal would break a long line within a word; in files and pipes it stays one line.
            if options.get("soft_wrap") and self.file.isatty():
                text = self.render_str("".join(map(str, objects)), markup=options.get("markup"), highlight=False)
                options |= {"markup": None, "soft_wrap": True}
                objects = (Text("\n").join(wrapped(self, text)),)
            super().print(*objects, **options)

    stream = sys.stderr if stderr else sys.stdout
    # In a pipe there is no width to fit into: lines are not wrapped at 80 columns for nobody.
    width = None if stream.isatty() or "COLUMNS" in os.environ else 120
    return Plain(stderr=stderr, width=width, highlight=False, soft_wrap=False)


def wrapped(out: "Console", text: "Text") -> "list[Text]":
    """Break a line between words, what follows further in; numbers and paths that are wider stay whole.

    >>> from rich.console import Console
    >>> from rich.text import Text
    >>> print(*wrapped(Console(width=24), Text("  mean = 3/(2*sqrt(pi)) + sqrt(3)/pi")), sep="\\n")
      mean = 3/(2*sqrt(pi))
        + sqrt(3)/pi
    """
    from rich.text import Text

    words = text.plain.split()
    indent = " " * (len(text.plain) - len(text.plain.lstrip()) + 2)
    room = out.width - len(indent)
    if text.cell_len <= out.width or max(map(len, words)) > room:
        return [text]
    first, *others = text.wrap(out, room)
    for line in (first, *others):
        line.rstrip()
    return [first, *(Text(indent).append_text(line) for line in others)]


def print_table(out: "Console", table: "Table") -> None:
    """Print a table whole: in a narrow terminal columns move closer, lines may run over, but no number is cut off."""
    from rich.measure import Measurement

    def width() -> int:
        return Measurement.get(out, out.options.update(max_width=1000), table).maximum

    needed = width()
    if needed > out.width:
        table.padding = (0, 1, 0, 0)
        needed = width()
    # Rich fits a table into its console whatever it is told, so it gets one that is wide enough.
    type(out)(file=out.file, width=max(needed, out.width), highlight=False).print(table)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command returns; it is printed when the command is done.

    Args:
        command: Name of the command.
        result: What the library returned.
        passed: Whether it is good news.
        as_json: Whether to print one JSON document.
        render: How to print it for people.
        plot: The file to draw it into, if any.
    """

    command: str
    result: object
    passed: bool
    as_json: bool
    render: Callable[["Console"], None]
    plot: str | None = None

    def print(self) -> ExitCode:
        """Print the answer and return the exit code."""
        code = ExitCode.OK if self.passed else ExitCode.FINDINGS
        if self.plot is not None:
            from propstats.report.figures import plot

            plot(self.result, self.plot)
        if self.as_json:
            from propstats.report.jsonable import to_jsonable

            print_envelope(self.command, code, data=to_jsonable(self.result))
        else:
            out = console()
            self.render(out)
            if self.plot is not None:
                out.print(f"figure: {self.plot}", markup=False, soft_wrap=True)
        sys.stdout.flush()
        return code


def fail(command: str | None, error: PropstatsError, *, as_json: bool) -> int:
    """Report an expected failure: one line on stderr, and the envelope if JSON was asked for."""
    return _fail(command, error.exit_code, error.code, error.message, error.hint, as_json=as_json)


def fail_usage(command: str | None, message: str, *, as_json: bool) -> int:
    """Report a wrong option or argument."""
    hint = f"see propstats {command} --help" if command else "see propstats --help"
    return _fail(command, ExitCode.USAGE, "usage", message, hint, as_json=as_json)


def fail_fault(command: str | None, error: Exception, *, as_json: bool) -> int:
    """Report a fault of ours."""
    message = f"{type(error).__name__}: {' '.join(str(error).split())}"
    hint = "this is a fault of propstats: please report it; PROPSTATS_DEBUG=1 shows where it happened"
    return _fail(command, ExitCode.FAULT, "fault", message, hint, as_json=as_json)


def fail_memory(command: str | None, error: Exception, *, as_json: bool) -> int:
    """Report that something was asked for that does not fit into this machine."""
    message = f"not enough memory: {printable(error, limit=160)}" if str(error) else "not enough memory"
    return _fail(command, ExitCode.INPUT, "memory", message, "ask for something smaller", as_json=as_json)


def fail_interrupted(command: str | None, came: ExitCode, *, as_json: bool) -> int:
    """Report Ctrl-C, or the system's request to end."""
    word = came.name.lower()
    return _fail(command, came, word, word, "", as_json=as_json)


def _fail(command: str | None, exit_code: int, code: str, message: str, hint: str, *, as_json: bool) -> int:
    if as_json:
        print_envelope(command, exit_code, errors=[{"code": code, "message": message, "hint": hint}])
    line = f"propstats: error: {message}"
    complain(f"{line} ({hint})" if hint else line)
    return int(exit_code)


def complain(line: str) -> None:
    """Print a line on stderr; where nothing can be written there, the exit code alone must do."""
    try:
        print(line, file=sys.stderr, flush=True)
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())


def print_envelope(
    command: str | None, exit_code: int, *, data: Any = None, errors: list[dict[str, str]] | None = None
) -> None:
    """Print the one JSON document of a command."""
    from propstats.report.jsonable import dump

    sys.stdout.write(dump(envelope(command, exit_code, data=data, errors=errors)))


def envelope(command: str | None, exit_code: int, *, data: Any = None, errors: Any = None) -> dict[str, Any]:
    """Return the one JSON document of a command."""
    status = {ExitCode.OK: "ok", ExitCode.FINDINGS: "findings"}.get(ExitCode(exit_code), "error")
    return {
        "schema": "propstats/1",
        "command": command,
        "status": status,
        "exit_code": int(exit_code),
        "data": data if data is not None else {},
        "errors": errors or [],
    }
