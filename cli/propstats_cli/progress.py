"""Progress on stderr, for people only: bars, and where there is none a word after two seconds."""

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from propstats_cli.output import console

if TYPE_CHECKING:
    from rich.progress import Progress

#: Seconds after which people ask themselves whether anything happens.
_PATIENCE = 2.0


class Waiting:
    """A line that says what is at work and for how long, shown when a command takes longer than two seconds.

    Args:
        command: What is at work.
    """

    def __init__(self, command: str) -> None:
        self._command = command
        self._lock = threading.RLock()  # the line is drawn by a thread of its own
        self._timer: threading.Timer | None = None
        self._line: Progress | None = None

    def resume(self) -> None:
        """Begin to wait."""
        with self._lock:
            self._timer = threading.Timer(_PATIENCE, self._show)
            self._timer.daemon = True
            self._timer.start()

    def pause(self) -> None:
        """Take the line away, as a bar or the answer has its place."""
        with self._lock:
            if self._timer is not None:
                self._timer.cancel()
            if self._line is not None:
                self._line.stop()
            self._timer = self._line = None

    def _show(self) -> None:
        from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        with self._lock:
            err = console(stderr=True)
            if self._timer is None or not err.is_interactive:  # paused while this thread started
                return
            columns = (SpinnerColumn("line"), TextColumn("{task.description}"), TimeElapsedColumn())
            self._line = Progress(*columns, console=err, transient=True)
            self._line.add_task(f"{self._command}: at work")
            self._line.start()


_waiting: Waiting | None = None


@contextmanager
def waiting(command: str | None, *, quiet: bool = False) -> Iterator[None]:
    """Say that a command is at work while it is and no bar says so; nothing off a terminal."""
    global _waiting
    if quiet or command is None or not sys.stderr.isatty():
        yield
        return
    _waiting = Waiting(command)
    _waiting.resume()
    try:
        yield
    finally:
        _waiting.pause()
        _waiting = None


@contextmanager
def bars(*, quiet: bool = False) -> Iterator[Callable[[str, int, int], None]]:
    """Show one bar per phase; the function takes a phase, what is done and what there is. Nothing off a terminal."""
    err = console(stderr=True)
    if quiet or not err.is_interactive:  # a terminal that can take a line back
        yield lambda phase, done, total: None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TaskID, TextColumn
    from rich.progress import TimeRemainingColumn as Left
    from rich.text import Text

    class Rate(ProgressColumn):
        """How many a second."""

        def render(self, task: Task) -> Text:
            return Text(f"{task.speed:,.0f}/s" if task.speed is not None and task.speed >= 1 else "")

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), Rate(), Left())
    progress = Progress(*columns, console=err, transient=True)
    tasks: dict[str, TaskID] = {}

    def show(phase: str, done: int, total: int) -> None:
        if not tasks:
            if _waiting is not None:
                _waiting.pause()
            progress.start()
        if phase not in tasks:
            tasks[phase] = progress.add_task(phase, total=total)
        progress.update(tasks[phase], completed=done)

    try:
        yield show
    finally:
        if tasks:
            progress.stop()
            if _waiting is not None:
                _waiting.resume()


@contextmanager
def counting(phase: str, total: int) -> Iterator[Callable[[int], None]]:
    """Show one bar; the function takes how much was just done."""
    done = 0
    with bars() as show:

        def advance(count: int) -> None:
            nonlocal done
            done += count
            show(phase, done, total)

        yield advance
