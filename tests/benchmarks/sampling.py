"""How fast the sampling route is, beside the plain pipeline in one run.

The plain pipeline is `torch.randn -> activation -> mean, variance` in float32 with torch's own threads, in several
forms of which the best one counts. The target is for the same two quantities, here with standard errors; all quantities
are shown beside it. Then: how many samples the stratified mode needs for the error of a million independent ones.

All take turns, and the best of many rounds counts: the speed is that of two cores, which others may be using.

Run from the repository, with propstats installed: python tests/benchmarks/sampling.py
"""

import statistics
import sys
import time
from collections.abc import Callable, Mapping
from functools import partial

import torch

from propstats.activations import activation
from propstats.expectation.sampling import moments

#: In how many rounds all plain forms run, how many of them stay, and for how many seconds.
_FIRST, _KEPT, _SECONDS = 3, 4, 8.0
_SAMPLES = 1 << 21
#: The smallest ratio of speeds, and of samples for the same error, that is called met.
_FASTER, _FEWER = 1.6, 100

_Act = Callable[[torch.Tensor], torch.Tensor]
_ACTIVATIONS: Mapping[str, _Act] = {
    "relu": torch.relu,
    "leaky_relu": torch.nn.functional.leaky_relu,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "silu": torch.nn.functional.silu,
    "gelu": torch.nn.functional.gelu,
}


def _whole(act: _Act) -> None:
    y = act(torch.randn(_SAMPLES))
    _ = y.mean(), y.var()


def _var_mean(act: _Act) -> None:
    torch.var_mean(act(torch.randn(_SAMPLES)))


def _dot(act: _Act) -> None:
    y = act(torch.randn(_SAMPLES))
    _ = torch.dot(y, y) / _SAMPLES - y.mean() ** 2


def _in_pieces(size: int, act: _Act) -> None:
    total = squares = 0.0
    for _ in range(_SAMPLES // size):
        y = act(torch.randn(size))
        total += float(y.sum())
        squares += float(torch.dot(y, y))


def _in_place(size: int, act: _Act) -> None:
    total = squares = 0.0
    x = torch.empty(size)
    for _ in range(_SAMPLES // size):
        y = act(x.normal_())
        total += float(y.sum())
        squares += float(torch.dot(y, y))


_PLAIN: Mapping[str, Callable[[_Act], None]] = {
    "mean, var": _whole,
    "var_mean": _var_mean,
    "mean, dot": _dot,
    **{f"2^{k} at a time": partial(_in_pieces, 1 << k) for k in (14, 16, 18, 20)},
    **{f"2^{k} in place": partial(_in_place, 1 << k) for k in (14, 15, 16, 18, 20)},
}


def _nanoseconds(work: Callable[[], object]) -> tuple[float, float]:
    """Return wall and CPU time per sample."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return (time.perf_counter() - wall) / _SAMPLES * 1e9, (time.process_time() - cpu) / _SAMPLES * 1e9


def _speed(name: str, act: _Act) -> tuple[str, float]:
    """Return a row of the table, and how many times faster than the best plain form."""
    entry = activation(name)
    works: dict[str, Callable[[], object]] = {form: partial(plain, act) for form, plain in _PLAIN.items()}
    works["two"] = lambda: moments(entry, samples=_SAMPLES, names=("mean", "var"))
    works["all"] = lambda: moments(entry, samples=_SAMPLES)
    rounds = [{what: _nanoseconds(work) for what, work in works.items()} for _ in range(_FIRST)]
    slow = sorted(_PLAIN, key=lambda form: min(times[form][0] for times in rounds))[_KEPT:]
    works = {what: work for what, work in works.items() if what not in slow}
    rounds, start = [], time.perf_counter()
    while time.perf_counter() - start < _SECONDS:
        rounds.append({what: _nanoseconds(work) for what, work in works.items()})
    wall = {what: min(times[what][0] for times in rounds) for what in works}
    cpu = {what: min(times[what][1] for times in rounds) for what in works}
    plain = min(works.keys() & _PLAIN, key=wall.__getitem__)
    ratio, of_all = wall[plain] / wall["two"], wall[plain] / wall["all"]
    met = "met" if ratio >= _FASTER else "MISSED"

    def ns(what: str) -> str:
        return f"{wall[what]:.2f} ({cpu[what]:.2f})"

    headline = f"{ns('two')} | {ns(plain)}, {plain} | {ratio:.2f} | {_FASTER} | {met}"
    return f"| {name} | {headline} | {ns('all')} | {of_all:.2f} |", ratio


def _efficiency(name: str) -> tuple[str, float]:
    """Return a row of the table, and the median over the quantities of how many times fewer samples are needed."""
    entry, independent = activation(name), 1_000_000
    target = moments(entry, samples=independent)
    sizes = [round(256 * 2 ** (k / 4)) for k in range(49)]
    runs = [(n, moments(entry, samples=n, method="stratified", seed=n)) for n in sizes]
    fewer = {}
    for quantity, estimate in target.items():
        if estimate.is_defined and estimate.error > 1e-12:
            # From this size on the error is never larger again.
            enough = [
                n for k, (n, _) in enumerate(runs) if all(r[quantity].error <= estimate.error for _, r in runs[k:])
            ]
            fewer[quantity] = independent / enough[0] if enough else 0.0
    middle, worst = statistics.median(fewer.values()), min(fewer, key=fewer.__getitem__)
    met = "met" if middle >= _FEWER else "MISSED"
    return f"| {name} | {middle:.0f} | {fewer[worst]:.0f}, {worst} | {_FEWER} | {met} |", middle


def main() -> int:
    """Measure, print two tables, and return 1 if a target is missed."""
    threads = torch.get_num_threads()
    speed = [_speed(name, act) for name, act in _ACTIVATIONS.items()]
    efficiency = [_efficiency(name) for name in ("relu", "leaky_relu", "selu", "hardtanh", "tanh", "sigmoid", "gelu")]
    tables = "\n".join(
        [
            f"Wall (CPU) nanoseconds per sample, {_SAMPLES} samples, {threads} threads:",
            "",
            "| activation | mean, var | best plain | ratio | target | | all fifteen | ratio |",
            "|---|---|---|---|---|---|---|---|",
            *(row for row, _ in speed),
            "",
            "How many times fewer samples the stratified mode needs for the error of a million independent ones:",
            "",
            "| activation | median quantity | worst quantity | target | |",
            "|---|---|---|---|---|",
            *(row for row, _ in efficiency),
        ]
    )
    print(tables)
    return 1 if any(r < _FASTER for _, r in speed) or any(r < _FEWER for _, r in efficiency) else 0


if __name__ == "__main__":
    sys.exit(main())
