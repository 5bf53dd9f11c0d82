"""What the comparison found: the records behind the table, the JSON document and the figure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from propstats.estimate import Estimate

Word = Literal["better", "worse", "not told apart"]


@dataclass(frozen=True, slots=True)
class Trained:
    """One network, trained.

    Args:
        seed: Seed of its weights and batches.
        rate: Learning rate to begin with.
        steps: After how many steps the error was measured.
        errors: The error there, on some of the images.
        error: Share of all images that it names wrongly at the end; that of guessing if it diverged.
        loss: Mean cross-entropy of these images at the end; infinite if it diverged.
        diverged: The step in which the loss was first not finite; None if it always was.
    """

    seed: int
    rate: float
    steps: tuple[int, ...]
    errors: tuple[float, ...]
    error: float
    loss: float
    diverged: int | None


@dataclass(frozen=True, slots=True)
class WayResult:
    """All networks of one way and depth.

    Args:
        way: The way of keeping signal.
        depth: Layers of weights.
        rate: The learning rate that was best in validation.
        tried: Every learning rate that was tried, with its validation error.
        error: Test error over networks.
        interval: Where it lies with 95 %, by Student's t.
        trained: The networks.
    """

    way: str
    depth: int
    rate: float
    tried: Sequence[tuple[float, float]]
    error: Estimate
    interval: tuple[float, float]
    trained: Sequence[Trained]


@dataclass(frozen=True, slots=True)
class Judgement:
    """One way beside another, at one depth.

    Args:
        depth: Layers of weights.
        way: The way.
        against: The other one.
        difference: Test error of the way less that of the other.
        interval: Where the difference lies with 95 %, by Welch's t for this pair alone.
        p: Two-sided p-value of Welch's test; None if there are too few networks for it.
        word: `better`, `worse` or `not told apart`, by Holm's method over all pairs of the comparison at 5 %.
    """

    depth: int
    way: str
    against: str
    difference: Estimate
    interval: tuple[float, float]
    p: float | None
    word: Word


@dataclass(frozen=True, slots=True)
class Comparison:
    """Ways of keeping signal, compared by how networks train.

    Args:
        data: The images.
        data_sha256: Of their content.
        device: Where it ran.
        seed: The first seed.
        seeds: Networks of each way and depth.
        budget: Seconds that there were; None for the whole of it.
        depths: Layers of weights.
        width: Units of each hidden layer.
        batch: Images in a batch.
        steps: Training steps of each network.
        of_steps: Training steps without a budget.
        tuned_steps: Training steps of each trial of a learning rate.
        results: Way by way and depth by depth.
        judgements: Who trains better than whom.
        protocol: How it was done.
    """

    data: str
    data_sha256: str
    device: str
    seed: int
    seeds: int
    budget: float | None
    depths: Sequence[int]
    width: int
    batch: int
    steps: int
    of_steps: int
    tuned_steps: int
    results: Sequence[WayResult]
    judgements: Sequence[Judgement]
    protocol: Sequence[str]
