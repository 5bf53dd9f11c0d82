"""How much of the paper's protocol fits into the time there is, shortened in the same proportion for all runs."""

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch

from propstats.errors import DomainError
from propstats.experiments.keeping import seconds_of
from propstats.experiments.reproduce.images import Images
from propstats.experiments.reproduce.observe import input_means
from propstats.experiments.reproduce.protocol import Run
from propstats.experiments.reproduce.records import Shortening
from propstats.experiments.reproduce.training import Training

#: An epoch that is measured has at least so many steps, if the time allows any.
_STEPS = 10
#: Validation may take this share of the time.
_VALIDATION = 0.2
_VALIDATED = 100
#: Timings vary: what is said to do does a little later, too.
_MARGIN = 1.25


class BudgetError(DomainError):
    """A budget that is too short.

    Args:
        message: What it is too short for.
        seconds: What would do, by timings that vary from call to call.

    >>> str(BudgetError("1 second is not enough", 3.3))
    '1 second is not enough (--budget 5)'
    """

    def __init__(self, message: str, seconds: float) -> None:
        super().__init__(message, f"--budget {math.ceil(_MARGIN * seconds)}")
        self.seconds = seconds


@dataclass(frozen=True, slots=True)
class Cost:
    """What a run costs.

    Args:
        step: Seconds for a training step.
        validated: Seconds for a validation image.
    """

    step: float
    validated: float


def whole(run: Run, images: Images, seeds: int) -> Shortening:
    """Return the paper's protocol, with nothing left out."""
    steps = len(images.train) // run.batch
    return Shortening(run.epochs, run.epochs, steps, steps, len(images.test), len(images.test), seeds)


def measure(run: Run, images: Images, device: torch.device) -> Cost:
    """Time a run, on a network that is thrown away."""
    training = Training(run, images, whole(run, images, 1), 0, device)
    steps = training.steps()
    step = seconds_of(lambda: next(steps))
    steps.close()
    some = min(len(images.test), _VALIDATED)
    start = time.perf_counter()
    input_means(training.model, images.test[:some], images.test_labels[:some], seed=0, device=device)
    return Cost(step, (time.perf_counter() - start) / some)


def shorten(
    runs: Sequence[Run], images: Images, *, seeds: int, budget: float | None, costs: Mapping[Run, Cost]
) -> dict[Run, Shortening]:
    """Fit runs into a time.

    All runs keep the same share of the paper's steps. Epochs keep their number while an epoch has at least ten steps:
    the schedule of the learning rate and the curve keep their shape.

    Args:
        runs: The runs.
        images: The images.
        seeds: Networks of each run.
        budget: Seconds for all of them, or None for the whole protocol.
        costs: What each run costs.

    Raises:
        BudgetError: If the budget is too short for a single step of every run.
    """
    plans = {run: whole(run, images, seeds) for run in runs}
    if budget is None:
        return plans
    training = seeds * sum(costs[run].step * plan.steps * plan.epochs for run, plan in plans.items())
    validation = seeds * sum(costs[run].validated * plan.validated * plan.epochs for run, plan in plans.items())
    if training + validation <= budget:
        return plans
    share = min(1.0, (1 - _VALIDATION) * budget / training)
    shortest = min(runs, key=lambda run: plans[run].of_steps * plans[run].of_epochs)
    steps = share * plans[shortest].of_steps * plans[shortest].of_epochs
    if steps < 1:
        raise BudgetError(f"{budget:g} seconds are not enough for one step of {shortest.label}", budget / steps)
    return {run: _shortened(plan, share, budget, costs[run], len(runs) * seeds) for run, plan in plans.items()}


def _shortened(plan: Shortening, share: float, budget: float, cost: Cost, networks: int) -> Shortening:
    steps = share * plan.of_steps * plan.of_epochs
    # As few epochs as hold the steps: an epoch sees every image at most once.
    fewest = max(1, math.ceil(steps / plan.of_steps))
    epochs = max(fewest, min(plan.of_epochs, math.floor(steps / _STEPS)))
    seconds = _VALIDATION * budget / networks / epochs
    validated = max(min(_VALIDATED, plan.of_validation), min(plan.of_validation, int(seconds / cost.validated)))
    return Shortening(
        epochs, plan.of_epochs, max(1, math.floor(steps / epochs)), plan.of_steps, validated, plan.of_validation,
        plan.seeds,
    )  # fmt: skip
