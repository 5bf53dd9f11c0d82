"""The entry point: one place that turns whatever happens into an exit code and a line."""

import errno
import os
import re
import signal
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from propstats.errors import PropstatsError
from propstats.text import printable
from propstats_cli.audit import audit
from propstats_cli.bound import bound
from propstats_cli.claims import claims
from propstats_cli.constants import constants
from propstats_cli.demo import demo
from propstats_cli.derive import derive
from propstats_cli.design import design
from propstats_cli.diff import diff
from propstats_cli.dropout import dropout
from propstats_cli.dual import dual
from propstats_cli.explain import explain
from propstats_cli.hermite import hermite
from propstats_cli.jacobian import jacobian
from propstats_cli.lesson import lesson
from propstats_cli.list import list_
from propstats_cli.meanfield import meanfield
from propstats_cli.moments import moments
from propstats_cli.output import Answer, ExitCode, complain, fail, fail_fault, fail_interrupted, fail_memory, fail_usage
from propstats_cli.phase import phase
from propstats_cli.pool import pool
from propstats_cli.progress import waiting
from propstats_cli.propagate import propagate
from propstats_cli.reproduce import reproduce
from propstats_cli.scales import scales
from propstats_cli.spectrum import spectrum
from propstats_cli.streams import open_streams
from propstats_cli.sweep import sweep
from propstats_cli.ways import ways

# The base of typer's complaints about the command line; typer carries its own copy of click and does not export it.
_UsageProblem: type[Exception] = next(c for c in typer.BadParameter.__mro__ if c.__name__ == "ClickException")

# Plain help: the rich one takes as long to load as everything else together.
app = typer.Typer(
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
_COMMANDS = {
    function.__name__.rstrip("_"): function
    for function in (
        moments,
        hermite,
        derive,
        dual,
        pool,
        dropout,
        scales,
        bound,
        meanfield,
        phase,
        propagate,
        design,
        jacobian,
        sweep,
        spectrum,
        audit,
        diff,
        constants,
        claims,
        demo,
        lesson,
        reproduce,
        ways,
        explain,
        list_,
    )
}
for name, function in _COMMANDS.items():
    app.command(name)(function)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"propstats {version('propstats')}")
        raise typer.Exit


@app.callback()
def _main(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Does signal survive this network, forwards and backwards, and if not, where does it die and what do I change?"""


def main() -> NoReturn:
    """Run the command line."""
    signal.signal(signal.SIGINT, _interrupt)
    signal.signal(signal.SIGTERM, _interrupt)
    open_streams()
    if os.environ.get("RANK", "0") != "0":  # under torchrun all processes get the answer, and the first one gives it
        sys.stdout = sys.stderr = Path(os.devnull).open("w")  # noqa: SIM115 - until the end
    sys.exit(run(sys.argv[1:]))


class Interrupted(BaseException):
    """Ctrl-C, or the system's request to end; not a KeyboardInterrupt, which typer would take for itself.

    Raised, so that `finally` runs and no partial file is left.
    """

    #: What came, if anything: from code in C it may come out as another exception.
    came: ExitCode | None = None
    #: Whether it is being reported: who presses twice gets one line, once.
    told = False


def _interrupt(number: int, frame: object) -> None:
    if Interrupted.told:
        return
    Interrupted.came = ExitCode.INTERRUPTED if number == signal.SIGINT else ExitCode.TERMINATED
    raise Interrupted


def _interrupted(command: str | None, *, as_json: bool) -> int:
    Interrupted.told = True
    return fail_interrupted(command, Interrupted.came or ExitCode.INTERRUPTED, as_json=as_json)


def run(arguments: list[str]) -> int:
    """Run one command and return its exit code; nothing escapes but the exit of the process."""
    as_json = "--json" in arguments
    command = next((argument for argument in arguments if argument in _COMMANDS), None)
    try:
        # Typer parses and calls; what it returns is printed out here, where no one else catches what goes wrong.
        with waiting(command, quiet="-q" in arguments or "--quiet" in arguments):
            answer = app(arguments or ["--help"], prog_name="propstats", standalone_mode=False)
        if isinstance(answer, Answer):
            return answer.print()
        sys.stdout.flush()
        return int(answer or 0)
    except PropstatsError as error:
        return fail(command, error, as_json=as_json)
    except Interrupted:
        return _interrupted(command, as_json=as_json)
    except BrokenPipeError:
        # The reader has gone; what is left in the buffer must not complain at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.BROKEN_PIPE
    except _UsageProblem as error:
        return fail_usage(command, _complaint(error), as_json=as_json)
    except Exception as error:
        if Interrupted.came is not None:
            return _interrupted(command, as_json=as_json)
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EFBIG):
            return _output_failed(error)
        if isinstance(error, MemoryError) or "allocate memory" in str(error) or "out of memory" in str(error):
            return fail_memory(command, error, as_json=as_json)
        if os.environ.get("PROPSTATS_DEBUG"):
            raise
        return fail_fault(command, error, as_json=as_json)


def _complaint(error: Exception) -> str:
    """Say in one line what typer finds wrong, and with which value."""
    message = " ".join(str(getattr(error, "format_message", error.__str__)()).split()).rstrip(".")
    found = getattr(error.__cause__, "errors", None)  # newer typers let pydantic judge, which does not quote the value
    if found is None:
        return message
    plain = re.sub(", unable to parse string as an? [a-z]+|Value error, ", "", message)
    value = str(found()[0].get("input"))
    return plain if repr(value) in plain else f"{plain}, got '{printable(value, limit=40)}'"


def _output_failed(error: OSError) -> int:
    """Report that the answer could not be written, for example to a full disk."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    complain(f"propstats: error: cannot write the answer: {error.strerror or error}")
    return ExitCode.INPUT
