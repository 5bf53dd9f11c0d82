"""`propstats reproduce`: repeat an experiment of the paper on real images, and say what it shows."""

import dataclasses
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from propstats.auditing.data.find import Places
from propstats.errors import DomainError, unknown_name
from propstats.estimate import Estimate, Route
from propstats.expectation.sampling.draws import resolve_device
from propstats.experiments.keeping import device_name, make_folder, mean_over_networks
from propstats.experiments.reproduce.images import Images, load_images
from propstats.experiments.reproduce.plan import Planned, kept_plan
from propstats.experiments.reproduce.protocol import EXPERIMENTS, Run
from propstats.experiments.reproduce.records import Reproduction, Reproductions, RunResult, Shortening, Trained
from propstats.experiments.reproduce.training import Training
from propstats.experiments.reproduce.verdicts import judge

Progress = Callable[[str, int, int], None]


def reproduce(
    name: str,
    data: str = "digits",
    *,
    out: str | os.PathLike[str] = "propstats-reproduce",
    budget: float | None = None,
    thin: int = 1,
    seeds: int | None = None,
    seed: int = 0,
    device: str = "auto",
    places: Places | None = None,
    progress: Progress | None = None,
) -> Reproduction:
    """Repeat one experiment of the NormProp paper.

    The networks, rates and schedules are the paper's. Every epoch leaves a checkpoint in `out`; called again with the
    same arguments, it goes on where it stopped.

    Args:
        name: `fig1`, `fig2`, `fig3`, `fig4`, `table1` or `speed`.
        data: `digits`, `fashion-mnist`, `mnist`, `cifar10`, `cifar100` or `svhn`.
        out: Folder of the checkpoints; made if it is not there.
        budget: Seconds for all of it; what does not fit is left out in the same proportion for all runs, and said. None
            for the paper's whole protocol.
        thin: What the paper's numbers of filters are divided by, where its network is too large for the machine: the
            cost of a step goes with its square.
        seeds: Networks of each run; by default three (one for `speed`).
        seed: The first seed.
        device: `cpu`, `cuda` or `auto`.
        places: Where data sets with a name are kept, and whether they may be downloaded.
        progress: Called with the network, the steps that are done and that there are.

    Raises:
        UnknownNameError: If there is no such experiment or data set.
        DomainError: If the budget is too short, or the device is not there.
        DataError: If the images cannot be had.
        ModelError: If `out` holds checkpoints of another configuration.
        OutputError: If checkpoints cannot be written.

    References:
        Arpit et al. 2016, arXiv:1603.01431, section 5.
    """
    if name not in EXPERIMENTS:
        raise unknown_name("experiment", name, list(EXPERIMENTS))
    experiment = EXPERIMENTS[name]
    count = experiment.seeds if seeds is None else seeds
    if count < 1:
        raise DomainError(f"seeds must be at least 1, got {count}")
    if budget is not None and not budget > 0:
        raise DomainError(f"the budget must be positive, got {budget:g} seconds")
    where = resolve_device(device)
    images = load_images(data, places)
    folder = make_folder(Path(out) / name / images.name)
    runs = tuple(dataclasses.replace(run, thin=thin) for run in experiment.runs)
    plan = kept_plan(folder, runs, images, seeds=count, budget=budget, device=where)
    results = {run.label: _train(run, images, plan[run], folder, seed, where, progress) for run in runs}
    return Reproduction(
        name=experiment.name,
        title=experiment.title,
        section=experiment.section,
        data=images.name,
        data_sha256=images.sha256,
        device=device_name(where),
        seed=seed,
        seeds=count,
        budget=budget,
        thin=thin,
        runs=tuple(results.values()),
        verdicts=judge(name, results, experiment.printed),
        choices=(*experiment.choices, *([images.note] if images.note else [])),
        not_run=(
            *([f"the paper's network: each layer has 1/{thin} of its filters here"] if thin > 1 else []),
            *(_not_run(run, plan[run].shortening) for run in plan if plan[run].shortening.is_short),
        ),
    )


def reproduce_all(
    data: str = "digits", *, budget: float | None = None, progress: Progress | None = None, **options: Any
) -> Reproductions:
    """Repeat all experiments of the NormProp paper, one after the other.

    Args:
        data: As of `reproduce`.
        budget: Seconds for all of them; each has the same share. None for the paper's whole protocol.
        progress: Called with the experiment and the network, the steps that are done and that there are.
        **options: As of `reproduce`.

    Raises:
        PropstatsError: As of `reproduce`.
    """

    def one(name: str) -> Reproduction:
        def show(network: str, done: int, total: int) -> None:
            if progress is not None:
                progress(f"{name}: {network}", done, total)

        share = None if budget is None else budget / len(EXPERIMENTS)
        return reproduce(name, data, budget=share, progress=show, **options)

    return Reproductions(budget, tuple(one(name) for name in EXPERIMENTS))


def _train(
    run: Run,
    images: Images,
    planned: Planned,
    folder: Path,
    seed: int,
    device: torch.device,
    progress: Progress | None,
) -> RunResult:
    plan, trained = planned.shortening, list[Trained]()
    for number in range(plan.seeds):
        training = Training(run, images, plan, seed + number, device)
        checkpoint = folder / f"{run.label}-seed{seed + number}.ckpt"
        training.resume(checkpoint)
        total = plan.epochs * plan.steps
        while not training.is_done:
            done = len(training.epochs) * plan.steps
            for step, _ in enumerate(training.steps(), start=1):
                if progress is not None:
                    progress(f"{run.label}, seed {seed + number}", done + step, total)
            training.save(checkpoint)
        trained.append(training.result)
    finals = [network.epochs[-1].accuracy for network in trained if network.epochs]
    best = [max(epoch.accuracy for epoch in network.epochs) for network in trained if network.epochs]
    return RunResult(run.label, _mean(finals), _mean(best), planned.step * plan.of_steps, plan, tuple(trained))


def _mean(values: list[float]) -> Estimate:
    """Return the mean over networks, of which none may have come to an end of an epoch."""
    return mean_over_networks(values) if values else Estimate(float("nan"), float("inf"), Route.MEASURED, 0)


def _not_run(run: Run, plan: Shortening) -> str:
    return (
        f"{run.label}: {plan.epochs} of {plan.of_epochs} epochs with {plan.steps:,} of {plan.of_steps:,} steps each "
        f"({plan.share:.2%} of the paper's training), validated on {plan.validated:,} of {plan.of_validation:,} images"
    )
