"""The plan of an experiment, kept beside its checkpoints: whoever goes on with it goes on with the same."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from propstats.errors import ModelError, OutputError
from propstats.experiments.reproduce.budget import measure, shorten
from propstats.experiments.reproduce.images import Images
from propstats.experiments.reproduce.protocol import Run
from propstats.experiments.reproduce.records import Shortening
from propstats.files import write_atomically


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

    Timings differ from call to call, and with them what fits into a budget.

    Raises:
        DomainError: If the budget is too short.
        ModelError: If the folder holds the plan of another experiment, or a damaged one.
        OutputError: If the plan cannot be written.
    """
    path = folder / "plan.json"
    asked: dict[str, Any] = {"seeds": seeds, "budget": budget, "data": images.sha256, "device": device.type}
    asked["thin"] = [run.thin for run in runs]
    if path.exists():
        kept = _read(path)
        differing = sorted(key for key, value in asked.items() if kept["asked"].get(key) != value)
        if differing:
            what = f"{folder}: holds another experiment: {', '.join(differing)} differ"
            raise ModelError(what, "use another folder with --out, or remove it to begin again")
        return {run: _planned(kept["plans"][run.label]) for run in runs}
    costs = {run: measure(run, images, device) for run in runs}
    plans = shorten(runs, images, seeds=seeds, budget=budget, costs=costs)
    found = {run: Planned(plans[run], costs[run].step) for run in runs}
    written = {run.label: dataclasses.asdict(planned) for run, planned in found.items()}
    write_atomically(path, json.dumps({"asked": asked, "plans": written}, indent=1, sort_keys=True) + "\n")
    return found


def _read(path: Path) -> dict[str, Any]:
    try:
        kept: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        for planned in kept["plans"].values():
            _planned(planned)
        kept["asked"].get("seeds")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(f"{path}: is no plan of an experiment, or damaged", "remove it to begin again") from error
    return kept


def _planned(kept: dict[str, Any]) -> Planned:
    return Planned(Shortening(**kept["shortening"]), float(kept["step"]))


def make_folder(folder: Path) -> Path:
    """Make a folder if it is not there.

    Raises:
        OutputError: If that is not possible.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot make {folder}: {error.strerror}", "choose another folder with --out") from None
    return folder
