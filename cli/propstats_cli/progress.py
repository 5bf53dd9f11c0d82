"""Progress bars on stderr, for people only."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from propstats_cli.output import console


@contextmanager
def bars(*, quiet: bool = False) -> Iterator[Callable[[str, int, int], None]]:
    """Show one bar per phase; the function takes a phase, what is done and what there is. Nothing off a terminal."""
    err = console(stderr=True)
    if quiet or not err.is_terminal:
        yield lambda phase, done, total: None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn
    from rich.progress import TimeRemainingColumn as Left
    from rich.text import Text

    class Rate(ProgressColumn):
        """How many a second."""

        def render(self, task: Task) -> Text:
            return Text(f"{task.speed:,.0f}/s" if task.speed is not None and task.speed >= 1 else "")

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), Rate(), Left())
    with Progress(*columns, console=err, transient=True) as progress:
        tasks = {}

        def show(phase: str, done: int, total: int) -> None:
            if phase not in tasks:
                tasks[phase] = progress.add_task(phase, total=total)
            progress.update(tasks[phase], completed=done)

        yield show


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
