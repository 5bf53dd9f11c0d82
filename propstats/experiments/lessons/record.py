"""What a lesson shows: one number that proves a point, and the curves that it comes from."""

from collections.abc import Mapping
from dataclasses import dataclass

from propstats.estimate import Estimate


@dataclass(frozen=True, slots=True)
class Curve:
    """A line of a figure.

    Args:
        label: What it is.
        x: Where.
        y: What was found there.
        is_theory: Whether theory drew it.
    """

    label: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    is_theory: bool = False


@dataclass(frozen=True, slots=True)
class Panel:
    """The axes of a figure.

    Args:
        title: What they show.
        x: What runs to the right.
        y: What runs upwards.
        curves: The lines.
        log_x: Whether the horizontal axis is logarithmic.
        log_y: Whether the vertical one is.
        ticks: What stands at 0, 1, ... of the horizontal axis where it shows kinds, which no line joins.
    """

    title: str
    x: str
    y: str
    curves: tuple[Curve, ...]
    log_x: bool = False
    log_y: bool = False
    ticks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Lesson:
    """One statement, put to the test.

    Args:
        name: What `propstats lesson` calls it.
        title: What it is about.
        statement: What the notes say.
        numbers: What was measured, by name.
        holds: Whether the statement held.
        point: What the numbers show, in a sentence or two.
        panel: The figure.
        seed: Seed of all that is random.
    """

    name: str
    title: str
    statement: str
    numbers: Mapping[str, Estimate]
    holds: bool
    point: str
    panel: Panel
    seed: int
