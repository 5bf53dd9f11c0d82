"""Which way trains better: Student's t over networks, Holm's method over pairs."""

import math
from collections.abc import Mapping, Sequence

from propstats.auditing.judging.simultaneous import holm
from propstats.estimate import Estimate, Route
from propstats.experiments.difference import difference
from propstats.experiments.keeping import mean_over_networks
from propstats.experiments.ways.networks import WAYS
from propstats.experiments.ways.records import Judgement, WayResult, Word

_LEVEL = 0.95


def mean_and_interval(values: Sequence[float]) -> tuple[Estimate, tuple[float, float]]:
    """Return a mean over networks with its standard error, and where it lies with 95 %, by Student's t.

    >>> mean, interval = mean_and_interval([1.0, 2.0, 3.0])  # t = 4.303 at two degrees of freedom
    >>> mean.value, round(mean.error, 4), [round(end, 3) for end in interval]
    (2.0, 0.5774, [-0.484, 4.484])
    """
    from scipy import stats

    mean, count = mean_over_networks(values), len(values)
    half = float(stats.t.isf((1 - _LEVEL) / 2, count - 1)) * mean.error if count > 1 else math.inf
    return mean, (mean.value - half, mean.value + half)


def judge(results: Sequence[WayResult]) -> tuple[Judgement, ...]:
    """Compare each way with those that it stands against, at each depth.

    Better or worse is what Holm's method tells at 5 % over all pairs together: the chance of calling any two ways apart
    that are alike stays below that.

    References:
        Welch 1947, Biometrika 34; Holm 1979, Scandinavian Journal of Statistics 6.
    """
    by_name: Mapping[tuple[str, int], WayResult] = {(result.way, result.depth): result for result in results}
    pairs = [
        (result, by_name[other, result.depth])
        for result in results
        for other in WAYS[result.way].against
        if (other, result.depth) in by_name
    ]
    found = [_welch(_errors(one), _errors(other)) for one, other in pairs]
    apart = holm([1.0 if p is None else p for *_, p in found])
    return tuple(
        Judgement(one.depth, one.way, other.way, difference, interval, p, _word(difference.value, told))
        for (one, other), (difference, interval, p), told in zip(pairs, found, apart, strict=True)
    )


def _word(difference: float, told: bool) -> Word:
    return "not told apart" if not told else "better" if difference < 0 else "worse"


def _errors(result: WayResult) -> list[float]:
    return [network.error for network in result.trained]


def _welch(one: Sequence[float], other: Sequence[float]) -> tuple[Estimate, tuple[float, float], float | None]:
    """Return the difference of two means, its interval of 95 %, and the two-sided p-value that there is none."""
    found = difference(one, other)
    return Estimate(found.value, found.error, Route.MEASURED), found.interval(_LEVEL), found.apart()
