"""`propstats ways`: train deep networks with each way of keeping signal, and say which trains better."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from propstats.auditing.data.find import Places
from propstats.errors import DomainError
from propstats.expectation.sampling.draws import resolve_device
from propstats.experiments.keeping import device_name, make_folder
from propstats.experiments.ways.images import flat_images
from propstats.experiments.ways.judging import judge, mean_and_interval
from propstats.experiments.ways.networks import WAYS
from propstats.experiments.ways.plan import Plan, kept_network, kept_plan
from propstats.experiments.ways.records import Comparison, Trained, WayResult
from propstats.experiments.ways.training import BATCH, MOMENTUM, Setting, train

Progress = Callable[[str, int, int], None]

#: The learning rates that are tried at first; a best one at the end of them is asked to show that it is best.
_RATES = (0.01, 0.04, 0.16)
_FACTOR, _MOST = 4.0, 9


def compare_ways(
    data: str = "digits",
    *,
    depths: Sequence[int] = (9, 20, 50),
    width: int = 128,
    out: str | os.PathLike[str] = "propstats-ways",
    budget: float | None = None,
    steps: int | None = None,
    seeds: int = 5,
    seed: int = 0,
    device: str = "auto",
    places: Places | None = None,
    progress: Progress | None = None,
) -> Comparison:
    """Train fully connected networks with each way of keeping signal, and compare their test errors.

    The ways: He's weights, batch norm, NormProp with gamma = 1 and 1/J, NormProp with beta = 1 and constants that fit,
    and the same with separate scales for gradients. Each way gets its own learning rate at each depth, chosen on
    images held out of the training set with a network that is not compared. Every network that is finished leaves a
    file in `out`; called again with the same arguments, it goes on where it stopped.

    Args:
        data: `digits`, `fashion-mnist`, `mnist`, `cifar10`, `cifar100` or `svhn`.
        depths: Layers of weights.
        width: Units of each hidden layer.
        out: Folder of what is finished; made if it is not there.
        budget: Seconds for all of it: all networks get the same number of steps, as many as fit. None for ten epochs.
        steps: Training steps of every network, instead of a budget.
        seeds: Networks of each way and depth.
        seed: The first seed.
        device: `cpu`, `cuda` or `auto`.
        places: Where data sets with a name are kept, and whether they may be downloaded.
        progress: Called with what is trained, the steps that are done and that there are.

    Raises:
        UnknownNameError: If there is no such data set.
        DomainError: If depths, width, seeds or budget make no networks, or the device is not there.
        DataError: If the images cannot be had.
        ModelError: If `out` holds another comparison.
        OutputError: If files cannot be written.
    """
    _check(depths, width, seeds, budget, steps)
    where, images = resolve_device(device), flat_images(data, places)
    folder = make_folder(Path(out) / images.name)
    settings = [Setting(way, depth, width, images, where) for depth in depths for way in WAYS.values()]
    plan = kept_plan(folder, settings, seeds=seeds, seed=seed, budget=budget, steps=steps)
    results = tuple(_result(setting, plan, folder, seeds, seed, progress) for setting in settings)
    return Comparison(
        data=images.name,
        data_sha256=images.sha256,
        device=device_name(where),
        seed=seed,
        seeds=seeds,
        budget=budget,
        depths=tuple(depths),
        width=width,
        batch=BATCH,
        steps=plan.steps,
        of_steps=plan.of_steps,
        tuned_steps=plan.tuned_steps,
        results=results,
        judgements=judge(results),
        protocol=_protocol(plan, len(images.held_out), len(images.test)),
    )


def _check(depths: Sequence[int], width: int, seeds: int, budget: float | None, steps: int | None) -> None:
    if not depths or min(depths) < 2 or len(set(depths)) < len(depths):
        raise DomainError("depths must be numbers from 2 on, each once", "for example 9, 20 and 50")
    if width < 1 or seeds < 1:
        raise DomainError(f"width and seeds must be at least 1, got {width} and {seeds}")
    if budget is not None and not budget > 0:
        raise DomainError(f"the budget must be positive, got {budget:g} seconds")
    if steps is not None and (steps < 1 or budget is not None):
        raise DomainError("steps must be at least 1, and stand in the place of a budget", "give one of the two")


def _result(setting: Setting, plan: Plan, folder: Path, seeds: int, seed: int, progress: Progress | None) -> WayResult:
    name = f"{setting.way.name}, {setting.depth} layers"
    stem = f"{setting.way.name.replace('/', '-over-')}-{setting.depth}"

    def trial(rate: float) -> Trained:
        return kept_network(
            folder / f"{stem}-rate{rate:g}.json",
            lambda: train(
                setting, seed=seed + seeds, rate=rate, steps=plan.tuned_steps, judged=setting.images.held_out,
                progress=_bar(progress, f"{name}, rate {rate:g}", plan.tuned_steps),
            ),
        )  # fmt: skip

    def network(own: int) -> Trained:
        return kept_network(
            folder / f"{stem}-rate{rate:g}-seed{own}.json",
            lambda: train(
                setting, seed=own, rate=rate, steps=plan.steps, judged=setting.images.test,
                progress=_bar(progress, f"{name}, seed {own}", plan.steps),
            ),
        )  # fmt: skip

    tried = choose_rate(trial)
    rate = _best(tried).rate
    trained = tuple(network(own) for own in range(seed, seed + seeds))
    error, interval = mean_and_interval([network.error for network in trained])
    trials = tuple((found.rate, found.error) for found in tried)
    return WayResult(setting.way.name, setting.depth, rate, trials, error, interval, trained)


def choose_rate(trial: Callable[[float], Trained]) -> list[Trained]:
    """Try learning rates until the best has a worse one on either side, or nine are tried; return them in order.

    Args:
        trial: Trains with a learning rate.
    """
    tried = [trial(rate) for rate in _RATES]
    while len(tried) < _MOST:
        best = _best(tried)
        if best is tried[0]:
            tried.insert(0, trial(best.rate / _FACTOR))
        elif best is tried[-1]:
            tried.append(trial(best.rate * _FACTOR))
        else:
            break
    return tried


def _best(tried: Sequence[Trained]) -> Trained:
    return min(tried, key=lambda found: (found.error, found.loss))


def _bar(progress: Progress | None, what: str, steps: int) -> Callable[[int], None] | None:
    return None if progress is None else lambda done: progress(what, done, steps)


def _protocol(plan: Plan, held_out: int, tested: int) -> tuple[str, ...]:
    share = plan.steps / plan.of_steps
    return (
        f"batches of {BATCH}, momentum {MOMENTUM:g}, learning rate falling linearly to 0, no weight decay; "
        "weights of NormProp keep rows of length one; the last layer is plain",
        f"learning rate of each way and depth: the best of {', '.join(f'{rate:g}' for rate in _RATES)}, and on by "
        f"factors of {_FACTOR:g} while the best is at an end ({_MOST} at most), by error on {held_out:,} images held "
        f"out of the training set, of one network that is not compared, after {plan.tuned_steps} steps",
        f"test errors on {tested:,} test images, which nothing was chosen on; along training on the first of them",
        "a network that diverged counts as one that guesses",
        *([f"{plan.steps:,} of {plan.of_steps:,} steps ({share:.1%}): the start of training, not its end"]
          if share < 1 else []),
    )  # fmt: skip
