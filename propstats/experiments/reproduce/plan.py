"""The plan of an experiment, kept beside its checkpoints: whoever goes on with it goes on with the same."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from propstats.experiments import keeping
from propstats.experiments.reproduce.budget import measure, shorten
from propstats.experiments.reproduce.images import Images
from propstats.experiments.reproduce.protocol import Run
from propstats.experiments.reproduce.records import Shortening


@dataclass(frozen=True, slots=True)
class Planned:
    """How much of a run is done.

    Args:
        shortening: What is left out.
        step: Seconds for a training step, when the plan was made.
    """

    shortening: Shortening
    step: float


def kept_plan(
    folder: Path, runs: Sequence[Run], images: Images, *, seeds: int, budget: float | None, device: torch.device
) -> Mapping[Run, Planned]:
    """Return the plan that a folder holds; where it holds none, time the runs, make one and keep it.

    Raises:
        DomainError: If the budget is too short.
        ModelError: If the folder holds the plan of another experiment, or a damaged one.
        OutputError: If the plan cannot be written.
    """
    asked: dict[str, Any] = {"seeds": seeds, "budget": budget, "data": images.sha256, "device": device.type}
    asked["thin"] = [run.thin for run in runs]

    def make() -> dict[str, Any]:
        costs = {run: measure(run, images, device) for run in runs}
        plans = shorten(runs, images, seeds=seeds, budget=budget, costs=costs)
        return {run.label: dataclasses.asdict(Planned(plans[run], costs[run].step)) for run in runs}

    def read(kept: Mapping[str, Any]) -> dict[Run, Planned]:
        own = {run: kept[run.label] for run in runs}
        return {run: Planned(Shortening(**one["shortening"]), float(one["step"])) for run, one in own.items()}

    return keeping.kept_plan(folder, "experiment", asked, make, read)
