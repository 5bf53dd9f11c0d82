"""Work that takes turns, and the table of what it took: what all comparisons with peers share."""

import math
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import version
from typing import Any

#: Shorter work is repeated until it takes as long, so that the clock does not matter.
_SHORT = 2e-3


@dataclass(frozen=True)
class Row:
    """One method.

    Args:
        method: Its name; of a peer with its version.
        seconds: Its median time; None where it was not timed.
        floor: How many times the floor that is, in the median over rounds.
        result: What it got right or wrong, in a few words.
        verdict: `met` or `MISSED`, where it has a target; why it is missing, where it is.
    """

    method: str
    seconds: float | None
    floor: float | None
    result: str = ""
    verdict: str = ""


def optional(module: str) -> Any:
    """Return a module, or None where it cannot be had."""
    try:
        return import_module(module)
    except Exception:  # what an old package trips over in a new world can be anything
        return None


def named(package: str) -> str:
    """Return a package's name with its version.

    >>> named("no-such-package")
    'no-such-package'
    """
    try:
        return f"{package} {version(package)}"
    except Exception:
        return package


def missing(package: str) -> Row:
    """Return the row of a peer that is not there."""
    return Row(package, None, None, verdict="missing: not installed, or does not import")


def take_turns(
    tasks: Mapping[str, Callable[[], object]],
    rounds: int,
    clock: Callable[[], float] = time.perf_counter,
    tries: int = 1 << 14,
) -> dict[str, list[float]]:
    """Return the seconds that each task took in each round; in every round each has its turn.

    Args:
        tasks: What to time. Each runs once before, to warm up.
        rounds: How many rounds.
        clock: Reads the time in seconds.
        tries: How often a short task is repeated at most.
    """
    repeats = {}
    for name, task in tasks.items():
        task()
        start = clock()
        task()
        repeats[name] = max(1, min(tries, math.ceil(_SHORT / max(clock() - start, 1e-7))))
    times: dict[str, list[float]] = {name: [] for name in tasks}
    for _ in range(rounds):
        for name, task in tasks.items():
            start = clock()
            for _ in range(repeats[name]):
                task()
            times[name].append((clock() - start) / repeats[name])
    return times


def ratio(times: Mapping[str, Sequence[float]], of: str, to: str) -> float:
    """Return the median over rounds of one task's time divided by another's.

    >>> ratio({"a": [2.0, 4.0, 9.0], "b": [1.0, 2.0, 3.0]}, "a", "b")
    2.0
    """
    return statistics.median(a / b for a, b in zip(times[of], times[to], strict=True))


def seconds(value: float | None) -> str:
    """Write a time.

    >>> seconds(0.0123), seconds(4.2e-6), seconds(None)
    ('12.3 ms', '4.2 us', '')
    """
    if value is None:
        return ""
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if value >= size:
            return f"{value / size:.3g} {unit}"
    return f"{value / 1e-9:.3g} ns"


def table(head: str, rows: Sequence[Row]) -> str:
    """Return a table.

    Args:
        head: What the column of results holds.
        rows: The methods.
    """
    lines = [f"| method | median time | times the floor | {head} | |", "|---|---|---|---|---|"]
    for row in rows:
        floor = "" if row.floor is None else f"{row.floor:.3g}"
        lines.append(f"| {row.method} | {seconds(row.seconds)} | {floor} | {row.result} | {row.verdict} |")
    return "\n".join(lines)


def rows_of(
    times: Mapping[str, Sequence[float]], floor: str, results: Mapping[str, str], verdicts: Mapping[str, str]
) -> list[Row]:
    """Return a row for each method that was timed, in the order in which they took turns."""
    return [
        Row(name, statistics.median(taken), ratio(times, name, floor), results.get(name, ""), verdicts.get(name, ""))
        for name, taken in times.items()
    ]


def verdict(is_met: bool) -> str:
    """Return what is said of a target."""
    return "met" if is_met else "MISSED"
