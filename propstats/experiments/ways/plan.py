"""How many steps fit into a time, and what is finished already: kept beside each other in a folder."""

import dataclasses
import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from propstats.errors import DomainError, ModelError
from propstats.experiments import keeping
from propstats.experiments.ways.records import Trained
from propstats.experiments.ways.training import BATCH, Learner, Setting, measure
from propstats.files import write_atomically

#: Without a budget.
EPOCHS = 10
#: A trial of a learning rate has this share of the steps, and there are about so many of them for each way and depth.
_TRIAL, _TRIALS = 1 / 3, 5
#: With fewer steps, batch norm's running averages still remember how they began.
_LEAST = 50


@dataclass(frozen=True, slots=True)
class Plan:
    """How long networks are trained.

    Args:
        steps: Training steps of each network.
        of_steps: Training steps without a budget.
    """

    steps: int
    of_steps: int

    @property
    def tuned_steps(self) -> int:
        """Training steps of each trial of a learning rate."""
        return max(1, round(_TRIAL * self.steps))


def kept_plan(
    folder: Path,
    settings: Sequence[Setting],
    *,
    seeds: int,
    seed: int,
    budget: float | None,
    steps: int | None = None,
) -> Plan:
    """Return the plan that a folder holds; where it holds none, time the networks, make one and keep it.

    All networks get the same number of steps.

    Raises:
        DomainError: If the budget is too short.
        ModelError: If the folder holds the plan of another comparison, or a damaged one.
        OutputError: If the plan cannot be written.
    """
    images = settings[0].images
    of_steps = EPOCHS * len(images.train) // BATCH
    networks = sorted(f"{setting.way.name} {setting.depth} {setting.width}" for setting in settings)
    asked: dict[str, Any] = {"seeds": seeds, "seed": seed, "budget": budget, "steps": steps, "data": images.sha256}
    asked |= {"networks": networks, "device": settings[0].device.type}

    def make() -> int:
        planned = of_steps if steps is None else steps
        return planned if budget is None else min(of_steps, _steps(settings, seeds, budget))

    return Plan(keeping.kept_plan(folder, "comparison", asked, make, int), of_steps)


def _steps(settings: Sequence[Setting], seeds: int, budget: float) -> int:
    """Return how many steps of every network fit into a time, with the trials and the measurements."""
    training = measuring = 0.0
    for setting in settings:
        step, image = _cost(setting)
        training += step * (seeds + _TRIALS * _TRIAL)
        measuring += image * (seeds * len(setting.images.test) + _TRIALS * len(setting.images.held_out))
    steps = math.floor((budget - measuring) / training)
    if steps < _LEAST:
        hint = f"--budget {math.ceil(measuring + _LEAST * training)}, or fewer seeds or layers"
        raise DomainError(f"{budget:g} seconds are not enough for {_LEAST} steps of every network", hint)
    return steps


def _cost(setting: Setting) -> tuple[float, float]:
    """Return the seconds of a training step, and of measuring an image, on a network that is thrown away."""
    learner, some = Learner(setting, 0), setting.images.held_out
    start = time.perf_counter()
    measure(learner.model, some, setting.device)
    return keeping.seconds_of(lambda: learner.step(0.0)), (time.perf_counter() - start) / len(some)


def kept_network(path: Path, train: Callable[[], Trained]) -> Trained:
    """Return the network that a file holds; where there is none, train it and keep what was found.

    Raises:
        ModelError: If the file is damaged.
        OutputError: If it cannot be written.
    """
    if path.exists():
        try:
            kept = json.loads(path.read_text(encoding="utf-8"))
            return Trained(**kept | {name: tuple(kept[name]) for name in ("steps", "errors")})
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ModelError(f"{path}: is no network of a comparison, or damaged", "remove it") from error
    found = train()
    write_atomically(path, json.dumps(dataclasses.asdict(found)) + "\n")
    return found
