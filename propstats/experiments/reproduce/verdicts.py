"""The paper's statements, judged on what the runs found."""

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import combinations

import numpy as np

from propstats.experiments.difference import difference
from propstats.experiments.reproduce.records import RunResult, Trained, Verdict

_LEVEL = 0.95
#: Accuracies that are "very similar" differ by less; the paper gives no number, this one is chosen here.
_MARGIN = 0.02


def judge(name: str, runs: Mapping[str, RunResult], printed: Sequence[str]) -> tuple[Verdict, ...]:
    """Judge the statements of one experiment.

    Args:
        name: Which experiment.
        runs: What was found, by label.
        printed: The paper's statements, in the order of the experiment.
    """
    return tuple(
        Verdict(statement, *check(runs)) for statement, check in zip(printed, _CHECKS.get(name, ()), strict=False)
    )


Judgement = tuple[bool | None, str]


def _similar(runs: Mapping[str, RunResult]) -> Judgement:
    """Whether last accuracies differ by no more than the margin: no difference found is not the same as none.

    All pairs have intervals of 95 % together, by Bonferroni.
    """
    finals = {label: _finals(result) for label, result in runs.items()}
    text = "; ".join(f"{label} {_percent(values)}" for label, values in finals.items())
    if any(len(values) < 2 for values in finals.values()):
        return None, f"{text}; one network each tells no difference"
    pairs = list(combinations(finals.values(), 2))
    compared = [difference(one, other) for one, other in pairs]
    if any(found.error == 0.0 for found in compared):
        return None, f"{text}; some without any spread over networks"
    intervals = [found.interval(1 - (1 - _LEVEL) / len(pairs)) for found in compared]
    widest = max(max(-low, high) for low, high in intervals)
    least = max(max(low, -high) for low, high in intervals)
    text += f"; a difference counts from {_MARGIN:.0%}, all pairs together at 95 %: the largest is from "
    text += f"{max(least, 0.0):.1%} to {widest:.1%}"
    return (True if widest < _MARGIN else False if least > _MARGIN else None), text


def _steadier_layers(runs: Mapping[str, RunResult]) -> Judgement:
    """Whether the means of the lower half of the layers move less from epoch to epoch with NormProp."""
    return _less(runs, lambda network: _movement(network, lower=True), "movement from epoch to epoch, lower layers")


def _nearer_zero(runs: Mapping[str, RunResult]) -> Judgement:
    """Whether layers receive means that are nearer zero at the end with NormProp."""
    holds, found = _less(
        runs, lambda network: float(np.mean(network.epochs[-1].layer_means)), "at the end, over all units"
    )
    _, drawn = _less(runs, _drawn_units, "over the drawn units, as the paper's 0.19 and 0.33")
    return holds, f"{found}; {drawn}"


def _steadier_accuracy(runs: Mapping[str, RunResult]) -> Judgement:
    """Whether accuracy falls back less from epoch to epoch with NormProp."""
    return _less(runs, _setbacks, "accuracy lost from one epoch to the next, on average")


def _errors(runs: Mapping[str, RunResult]) -> Judgement:
    """Test errors, beside which nothing is printed for these images."""
    found = "; ".join(f"{label} {100 * (1 - result.accuracy.value):.2f} % ±{100 * result.accuracy.error:.2f}"
                      for label, result in runs.items())  # fmt: skip
    _, plain = _less(runs, lambda network: 1.0 - network.epochs[-1].accuracy, "without flips")
    return None, f"test errors here: {found}; {plain}"


def _other_images(runs: Mapping[str, RunResult]) -> Judgement:
    return None, "other images"


def _faster(runs: Mapping[str, RunResult]) -> Judgement:
    normprop, batchnorm = (_of(runs, method) for method in ("normprop", "batchnorm"))
    ratio = normprop.seconds / batchnorm.seconds
    return ratio < 1.0, f"{normprop.seconds:.1f} s and {batchnorm.seconds:.1f} s an epoch: a ratio of {ratio:.3f}"


_CHECKS: Mapping[str, Sequence[Callable[[Mapping[str, RunResult]], Judgement]]] = {
    "fig1": (_similar,),
    "fig2": (_steadier_layers, _nearer_zero),
    "fig3": (_steadier_accuracy,),
    "fig4": (_similar,),
    "table1": (_errors, _other_images, _other_images),
    "speed": (_faster,),
}


def _of(runs: Mapping[str, RunResult], method: str) -> RunResult:
    return next(result for label, result in runs.items() if label.startswith(f"{method}-"))


def _less(runs: Mapping[str, RunResult], measure: Callable[[Trained], float], what: str) -> Judgement:
    """Whether a number is smaller with NormProp than with batch norm, by Welch's test over networks."""
    normprop, batchnorm = ([measure(network) for network in _of(runs, method).trained if network.epochs]
                           for method in ("normprop", "batchnorm"))  # fmt: skip
    if not normprop or not batchnorm:
        return None, f"{what}: nothing was trained"
    if min(len(normprop), len(batchnorm)) < 2:
        return None, f"{what}: one network each tells no difference"
    if not np.isfinite([*normprop, *batchnorm]).all():
        return None, f"{what}: too few epochs to tell"
    text = f"{what}: {_spread(normprop)} with NormProp, {_spread(batchnorm)} with batch norm"
    p = difference(normprop, batchnorm).less()
    if p is None:
        return None, f"{text}; without any spread over networks"
    limit = 1 - _LEVEL
    return (True if p < limit else False if 1 - p < limit else None), f"{text}; one-sided p = {p:.2g}"


def _spread(values: Sequence[float]) -> str:
    return f"{np.mean(values):.3g} ±{np.std(values, ddof=1) / math.sqrt(len(values)):.1g}"


def _drawn_units(network: Trained) -> float:
    return float(np.mean(np.abs(network.epochs[-1].unit_means)))


def _movement(network: Trained, *, lower: bool) -> float:
    means = np.array([epoch.layer_means for epoch in network.epochs])
    layers = means[:, : means.shape[1] // 2] if lower else means
    return float(np.abs(np.diff(layers, axis=0)).mean()) if len(layers) > 1 else math.nan


def _setbacks(network: Trained) -> float:
    steps = np.diff([epoch.accuracy for epoch in network.epochs])
    return float(np.maximum(-steps, 0.0).mean()) if len(steps) else math.nan


def _finals(result: RunResult) -> list[float]:
    return [network.epochs[-1].accuracy for network in result.trained if network.epochs]


def _percent(values: Sequence[float]) -> str:
    if not values:
        return "nothing"
    error = f" ±{100 * np.std(values, ddof=1) / math.sqrt(len(values)):.1f}" if len(values) > 1 else ""
    return f"{100 * np.mean(values):.1f} %{error}"
