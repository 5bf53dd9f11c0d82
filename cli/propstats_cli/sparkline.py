"""A row of numbers as one line of text."""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

_BLOCKS = "▁▂▃▄▅▆▇█"
#: For terminals that have no blocks.
_ASCII = "_.,-=+*#"
#: A line of characters is not longer than this, however deep the network.
_LONGEST = 60
#: What is flat looks flat: the scale spans at least this factor.
_LEAST_SPAN = 2.0


def sparkline(values: Sequence[float], width: int, *, blocks: bool = True) -> str:
    """Draw numbers from the least to the largest, by their logarithms; what has none leaves a gap.

    Args:
        values: The numbers, not negative.
        width: The most characters; of more numbers than that, neighbours share one, by their geometric mean.
        blocks: Whether the terminal has the characters of blocks.

    >>> sparkline([1, 2, 4, 8, 16, 32, 64, 128], 8), sparkline([1, 0, 100], 3, blocks=False), sparkline([3, 3], 4)
    ('▁▂▃▄▅▆▇█', '_ #', '▄▄')
    """
    logs = [math.log(value) if math.isfinite(value) and value > 0 else math.nan for value in values]
    shared = [_mean(logs[start:end]) for start, end in _shares(len(logs), max(1, min(width, _LONGEST)))]
    known = [value for value in shared if not math.isnan(value)]
    if not known:
        return ""
    middle = (min(known) + max(known)) / 2
    span = max(max(known) - min(known), math.log(_LEAST_SPAN))
    signs = _BLOCKS if blocks else _ASCII
    last = len(signs) - 1

    def sign(value: float) -> str:
        place = (value - middle) / span + 0.5
        return signs[min(last, int(place * last + (0.5 if span > math.log(_LEAST_SPAN) else 0.0)))]

    return "".join(" " if math.isnan(value) else sign(value) for value in shared)


def print_profile(out: "Console", label: str, values: Sequence[float], ends: str) -> None:
    """Print a row of numbers with its name in front and its scale behind; nothing if there is none to draw.

    Args:
        out: Where to.
        label: What the numbers are, in ten characters at most.
        values: The numbers.
        ends: What the row goes along.
    """
    from propstats_cli.numbers import short

    known = [value for value in values if math.isfinite(value) and value > 0]
    if len(known) < 2:
        return
    scale = f"{short(min(known))} to {short(max(known))}, {ends}"
    room = out.width - len(f"{label:9}   {scale}")
    if room < 8:  # too narrow to show anything
        return
    line = sparkline(values, room, blocks=out.encoding.lower().startswith("utf"))
    out.print(f"{label:9} {line}  {scale}", markup=False, soft_wrap=True)


def _mean(logs: Sequence[float]) -> float:
    known = [value for value in logs if not math.isnan(value)]
    return math.fsum(known) / len(known) if known else math.nan


def _shares(length: int, width: int) -> list[tuple[int, int]]:
    """Cut a row into as many parts as there is room for, all but equal."""
    parts = min(length, width)
    edges = [round(i * length / parts) for i in range(parts + 1)] if parts else []
    return list(pairwise(edges))
