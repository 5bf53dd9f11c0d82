"""`propstats lesson`: run one of the lessons."""

from collections.abc import Callable, Mapping
from typing import Final

from propstats.errors import unknown_name
from propstats.experiments.lessons.batch_norm import batch_norm
from propstats.experiments.lessons.both_ways import both_ways
from propstats.experiments.lessons.initialisation import fixup, pretraining
from propstats.experiments.lessons.inputs import unit_variance, zero_centred
from propstats.experiments.lessons.record import Lesson
from propstats.experiments.lessons.weights import glorot, he, identical, scale

LESSONS: Final[Mapping[str, Callable[[int], Lesson]]] = {
    "zero-centred": zero_centred,
    "unit-variance": unit_variance,
    "scale": scale,
    "identical": identical,
    "glorot": glorot,
    "he": he,
    "batch-norm": batch_norm,
    "pretraining": pretraining,
    "fixup": fixup,
    "both-ways": both_ways,
}


def lesson(name: str, *, seed: int = 0) -> Lesson:
    """Put a statement of lecture notes on initialisation and normalisation to the test, on the embedded digits.

    Args:
        name: Which one; a key of `LESSONS`.
        seed: Seed of all that is random.

    Raises:
        UnknownNameError: If there is no such lesson.

    >>> lesson("he").holds
    True
    """
    if name not in LESSONS:
        raise unknown_name("lesson", name, list(LESSONS))
    return LESSONS[name](seed)
