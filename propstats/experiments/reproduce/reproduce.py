"""`propstats reproduce`: repeat an experiment of the paper on real images, and say what it shows."""

import dataclasses
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

from propstats.auditing.data.find import Places
from propstats.errors import DomainError, unknown_name
from propstats.estimate import Estimate, Route
from propstats.expectation.sampling.draws import resolve_device
from propstats.experiments.keeping import device_name, make_folder, mean_over_networks
from propstats.experiments.reproduce.budget import BudgetError
from propstats.experiments.reproduce.images import Images, load_images
from propstats.experiments.reproduce.plan import Planned, kept_plan
from propstats.experiments.reproduce.protocol import EXPERIMENTS, Experiment, Run
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
    options = _Options(Path(out), budget, thin, seeds, seed, resolve_device(device))
    return _repeat(EXPERIMENTS[name], load_images(data, places), options, progress)


def reproduce_all(
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
) -> Reproductions:
    """Repeat all experiments of the NormProp paper, one after the other.

    Args:
        data: As of `reproduce`, and so are all that are not named here.
        out: Folder of the checkpoints.
        budget: Seconds for all of them; each has the same share. None for the paper's whole protocol.
        thin: What the paper's numbers of filters are divided by.
        seeds: Networks of each run.
        seed: The first seed.
        device: `cpu`, `cuda` or `auto`.
        places: Where data sets with a name are kept.
        progress: Called with the experiment and the network, the steps that are done and that there are.

    Raises:
        PropstatsError: As of `reproduce`; a budget that is too short for one of them is refused before any is trained.
    """
    share = None if budget is None else budget / len(EXPERIMENTS)
    options = _Options(Path(out), share, thin, seeds, seed, resolve_device(device))
    images = load_images(data, places)
    short = list[BudgetError]()
    for experiment in EXPERIMENTS.values():
        try:
            _plan(experiment, images, options)
        except BudgetError as error:
            short.append(error)
    if short:
        worst = max(short, key=lambda error: error.seconds)
        what = f"{budget:g} seconds for {len(EXPERIMENTS)} experiments: {worst.message}"
        raise BudgetError(what, worst.seconds * len(EXPERIMENTS))

    def one(experiment: Experiment) -> Reproduction:
        def show(network: str, done: int, total: int) -> None:
            if progress is not None:
                progress(f"{experiment.name}: {network}", done, total)

        return _repeat(experiment, images, options, show)

    return Reproductions(budget, tuple(one(experiment) for experiment in EXPERIMENTS.values()))


@dataclass(frozen=True, slots=True)
class _Options:
    """What `reproduce` was asked for, beside the experiment and the images."""

    out: Path
    budget: float | None
    thin: int
    seeds: int | None
    seed: int
    device: torch.device

    def __post_init__(self) -> None:
        if self.seeds is not None and self.seeds < 1:
            raise DomainError(f"seeds must be at least 1, got {self.seeds}")
        if self.budget is not None and not self.budget > 0:
            raise DomainError(f"the budget must be positive, got {self.budget:g} seconds")

    def networks(self, experiment: Experiment) -> int:
        """How many networks each run of an experiment has."""
        return experiment.seeds if self.seeds is None else self.seeds


def _plan(experiment: Experiment, images: Images, options: _Options) -> tuple[Path, Mapping[Run, Planned]]:
    """Return the folder of an experiment and how much of it is done."""
    folder = make_folder(options.out / experiment.name / images.name)
    runs = tuple(dataclasses.replace(run, thin=options.thin) for run in experiment.runs)
    count = options.networks(experiment)
    return folder, kept_plan(folder, runs, images, seeds=count, budget=options.budget, device=options.device)


def _repeat(experiment: Experiment, images: Images, options: _Options, progress: Progress | None) -> Reproduction:
    folder, plan = _plan(experiment, images, options)
    results = {run.label: _train(run, images, planned, folder, options, progress) for run, planned in plan.items()}
    thinner = [f"the paper's network: each layer has 1/{options.thin} of its filters here"] if options.thin > 1 else []
    return Reproduction(
        name=experiment.name,
        title=experiment.title,
        section=experiment.section,
        data=images.name,
        data_sha256=images.sha256,
        device=device_name(options.device),
        seed=options.seed,
        seeds=options.networks(experiment),
        budget=options.budget,
        thin=options.thin,
        runs=tuple(results.values()),
        verdicts=judge(experiment.name, results, experiment.printed),
        choices=(*experiment.choices, *([images.note] if images.note else [])),
        not_run=(*thinner, *(_not_run(run, plan[run].shortening) for run in plan if plan[run].shortening.is_short)),
    )


def _train(
    run: Run,
    images: Images,
    planned: Planned,
    folder: Path,
    options: _Options,
    progress: Progress | None,
) -> RunResult:
    plan, trained = planned.shortening, list[Trained]()
    for number in range(plan.seeds):
        seed = options.seed + number
        training = Training(run, images, plan, seed, options.device)
        checkpoint = folder / f"{run.label}-seed{seed}.ckpt"
        training.resume(checkpoint)
        total = plan.epochs * plan.steps
        while not training.is_done:
            done = len(training.epochs) * plan.steps
            for step, _ in enumerate(training.steps(), start=1):
                if progress is not None:
                    progress(f"{run.label}, seed {seed}", done + step, total)
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
