"""What the experiments found: the records behind the table, the JSON documents and the figures."""

from collections.abc import Sequence
from dataclasses import dataclass

from propstats.estimate import Estimate


@dataclass(frozen=True, slots=True)
class Epoch:
    """What was measured after an epoch.

    Args:
        epoch: How many epochs were trained, from 1.
        loss: Mean training loss in it.
        accuracy: Share of validation images that are named rightly.
        unit_means: Mean over the validation images of one unit's input, for each hidden layer but the first.
        layer_means: Root mean square over all numbers that a layer receives, of their means over the images.
        seconds: Time it took to train.
    """

    epoch: int
    loss: float
    accuracy: float
    unit_means: tuple[float, ...]
    layer_means: tuple[float, ...]
    seconds: float


@dataclass(frozen=True, slots=True)
class Trained:
    """One network, trained.

    Args:
        run: Label of the run.
        seed: Seed of weights, batches and flips.
        epochs: What was measured, epoch by epoch.
        diverged: The epoch in which the loss was first not finite; None if it always was.
    """

    run: str
    seed: int
    epochs: tuple[Epoch, ...]
    diverged: int | None


@dataclass(frozen=True, slots=True)
class Shortening:
    """What was left out of the paper's protocol for want of time.

    Args:
        epochs: Epochs that were trained.
        of_epochs: Epochs of the paper.
        steps: Steps in an epoch that were made.
        of_steps: Steps in an epoch of all training images.
        validated: Images that validation used.
        of_validation: Images that there are for it.
        seeds: Networks of each run.
    """

    epochs: int
    of_epochs: int
    steps: int
    of_steps: int
    validated: int
    of_validation: int
    seeds: int

    @property
    def share(self) -> float:
        """Share of the paper's training steps that was made."""
        return self.epochs * self.steps / (self.of_epochs * self.of_steps)

    @property
    def is_short(self) -> bool:
        """Whether anything was left out."""
        return self.share < 1 or self.validated < self.of_validation


@dataclass(frozen=True, slots=True)
class Verdict:
    """A statement of the paper, and what these runs say of it.

    Args:
        statement: What the paper says.
        holds: Whether it held here; None where the errors do not tell.
        found: The numbers.
    """

    statement: str
    holds: bool | None
    found: str


@dataclass(frozen=True, slots=True)
class RunResult:
    """All networks of one run.

    Args:
        run: Its label.
        accuracy: Accuracy after the last epoch, over seeds.
        best: Best accuracy of any epoch, over seeds.
        seconds: Seconds for a full epoch, as these steps took.
        shortened: What was left out.
        trained: The networks.
    """

    run: str
    accuracy: Estimate
    best: Estimate
    seconds: float
    shortened: Shortening
    trained: Sequence[Trained]


@dataclass(frozen=True, slots=True)
class Reproduction:
    """One experiment of the paper, repeated.

    Args:
        name: Which one.
        title: What it is about.
        section: Where the paper describes it.
        data: The images.
        data_sha256: Of their content.
        device: Where it ran.
        seed: The first seed.
        seeds: Networks of each run.
        budget: Seconds that there were; None for the whole protocol.
        thin: What the paper's numbers of filters were divided by; 1 for its own network.
        runs: What was trained.
        verdicts: The paper's statements, beside what was found.
        choices: What the paper leaves open and was chosen here.
        not_run: What of the paper's protocol was not done.
    """

    name: str
    title: str
    section: str
    data: str
    data_sha256: str
    device: str
    seed: int
    seeds: int
    budget: float | None
    thin: int
    runs: Sequence[RunResult]
    verdicts: Sequence[Verdict]
    choices: Sequence[str]
    not_run: Sequence[str]


@dataclass(frozen=True, slots=True)
class Reproductions:
    """All experiments of the paper, repeated.

    Args:
        budget: Seconds that there were, the same for each experiment; None for the whole protocol.
        experiments: What each of them found.
    """

    budget: float | None
    experiments: Sequence[Reproduction]
