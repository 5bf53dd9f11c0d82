"""The paper's statements, judged on what the runs found."""

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from propstats.experiments.reproduce.records import RunResult, Trained, Verdict

_LEVEL = 0.95


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
    """Whether no two runs differ in their last accuracy."""
    finals = {label: _finals(result) for label, result in runs.items()}
    text = "; ".join(f"{label} {_percent(values)}" for label, values in finals.items())
    if any(len(values) < 2 for values in finals.values()):
        return None, f"{text}; one network each tells no difference"
    from scipy import stats

    _, p = stats.f_oneway(*finals.values())
    return (bool(p > 1 - _LEVEL) if math.isfinite(p) else None), f"{text}; analysis of variance p = {p:.2g}"


def _steadier_layers(runs: Mapping[str, RunResult]) -> Judgement:
    """Whether the means of the lower half of the layers move less from epoch to epoch with NormProp."""
    return _less(runs, lambda network: _movement(network, lower=True), "movement from epoch to epoch, lower layers")


def _nearer_zero(runs: Mapping[str, RunResult]) -> Judgement:
    """Whether layers receive means that are nearer zero at the end with NormProp."""
    return _less(runs, lambda network: float(np.mean(network.epochs[-1].layer_means)), "root mean square at the end")


def _steadier_accuracy(runs: Mapping[str, RunResult]) -> Judgement:
    """Whether accuracy falls back less from epoch to epoch with NormProp."""
    return _less(runs, _setbacks, "accuracy lost from one epoch to the next, on average")


def _errors(runs: Mapping[str, RunResult]) -> Judgement:
    """Test errors, beside which nothing is printed for these images."""
    found = "; ".join(f"{label} {100 * (1 - result.accuracy.value):.2f} % ±{100 * result.accuracy.error:.2f}"
                      for label, result in runs.items())  # fmt: skip
    return None, f"test errors here: {found}"


def _faster(runs: Mapping[str, RunResult]) -> Judgement:
    normprop, batchnorm = (_of(runs, method) for method in ("normprop", "batchnorm"))
    ratio = normprop.seconds / batchnorm.seconds
    return ratio < 1.0, f"{normprop.seconds:.1f} s and {batchnorm.seconds:.1f} s an epoch: a ratio of {ratio:.3f}"


_CHECKS: Mapping[str, Sequence[Callable[[Mapping[str, RunResult]], Judgement]]] = {
    "fig1": (_similar,),
    "fig2": (_steadier_layers, _nearer_zero),
    "fig3": (_steadier_accuracy,),
    "fig4": (_similar,),
    "table1": (_errors,),
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
    text = f"{what}: {np.mean(normprop):.3g} with NormProp, {np.mean(batchnorm):.3g} with batch norm"
    from scipy import stats

    p = stats.ttest_ind(normprop, batchnorm, equal_var=False, alternative="less").pvalue
    reverse = 1 - p
    limit = 1 - _LEVEL
    return (True if p < limit else False if reverse < limit else None), f"{text}; one-sided p = {p:.2g}"


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
    return f"{100 * np.mean(values):.1f} %" if len(values) else "nothing"
