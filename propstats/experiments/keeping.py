"""What long experiments have in common: a folder of what is finished, a plan that stays, the machine and its pace."""

import json
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch

from propstats.errors import ModelError, OutputError
from propstats.estimate import Estimate, Route
from propstats.files import write_atomically
from propstats.simulation.averages import mean_of

_Plan = TypeVar("_Plan")
_TIMED = 5


def make_folder(folder: Path) -> Path:
    """Make a folder if it is not there.

    Raises:
        OutputError: If that is not possible.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot make {folder}: {error.strerror}", "choose another folder") from None
    return folder


def check_same(what: str, kept: Mapping[str, Any], asked: Mapping[str, Any]) -> None:
    """Refuse to go on with what was begun otherwise.

    Args:
        what: What is refused, as the message begins.
        kept: What it was begun with.
        asked: What is asked for now.

    Raises:
        ModelError: If they differ; the message says in what.

    >>> check_same("a folder: holds another experiment", {"seeds": 3}, {"seeds": 2})
    Traceback (most recent call last):
    ...
    propstats.errors.ModelError: a folder: holds another experiment: seeds differ (use another folder with --out, ...
    """
    differing = sorted(key for key, value in asked.items() if kept.get(key) != value)
    if differing:
        hint = "use another folder with --out, or remove it to begin again"
        raise ModelError(f"{what}: {', '.join(differing)} differ", hint)


def kept_plan(
    folder: Path, kind: str, asked: Mapping[str, Any], make: Callable[[], Any], read: Callable[[Any], _Plan]
) -> _Plan:
    """Return the plan that a folder holds; where it holds none, make one and keep it.

    Timings differ from call to call, and with them what fits into a budget: whoever goes on goes on with the same plan.
    A plan with nothing beside it was never begun, and gives way to another.

    Args:
        folder: The folder.
        kind: What the plan is for, as `experiment`.
        asked: All that the plan depends on.
        make: Makes a plan, of what JSON can hold.
        read: Takes it from there; fails with the errors of Python on what is no plan.

    Raises:
        ModelError: If the folder holds another plan, or a damaged one.
        OutputError: If the plan cannot be written.
    """
    path = folder / "plan.json"
    if not path.exists() or (_asked(path) != asked and len(list(folder.iterdir())) == 1):
        made = make()
        write_atomically(path, json.dumps({"asked": asked, "plan": made}, indent=1, sort_keys=True) + "\n")
        return read(made)
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        check_same(f"{folder}: holds another {kind}", dict(kept["asked"]), asked)
        return read(kept["plan"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(f"{path}: is no plan of this {kind}, or damaged", "remove it to begin again") from error


def _asked(path: Path) -> object:
    """Return what a plan was made for; None for what is no plan."""
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return kept.get("asked") if isinstance(kept, dict) else None


def device_name(device: torch.device) -> str:
    """Return what reports call a device."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else f"cpu, {torch.get_num_threads()} threads"


def seconds_of(work: Callable[[], object]) -> float:
    """Return the seconds that something takes: the median of five times, after one that is not counted."""
    return statistics.median([_once(work) for _ in range(_TIMED + 1)][1:])


def _once(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def mean_over_networks(values: Sequence[float]) -> Estimate:
    """Return a mean over networks with its standard error.

    >>> found = mean_over_networks([1.0, 2.0, 3.0])
    >>> found.value, round(found.error, 4), found.samples
    (2.0, 0.5774, 3)
    """
    return mean_of(np.asarray(values), Route.MEASURED)
