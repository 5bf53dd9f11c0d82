"""How fast the sampling route is, as ratios in one run: mean and variance, with their errors, beside the plain way.

The plain pipeline is `torch.randn -> activation -> mean, variance`, in float64 as here, in several forms of which the
best one counts; the best one in float32 is shown beside it, and so is what all quantities take (six averages, of the
activation and its slope, with their covariance). Then: how many samples the stratified mode needs for the
error of a million independent ones.

The speed is that of as many threads as torch takes, and wants their cores for itself: beside other work only the CPU
times say something. Before each measurement comes a pause: after their work the threads of a plain pipeline spin for
some milliseconds, on the core that the next measurement wants.

Run from the repository, with propstats installed: python tests/benchmarks/sampling.py; for one thread, with
OMP_NUM_THREADS=1.
"""

import statistics
import sys
import time
from collections.abc import Callable, Mapping

import torch

from propstats.activations import activation
from propstats.expectation.sampling import moments

_ROUNDS = 5
_SAMPLES = 1 << 22
#: Seconds after which the threads of what ran before are asleep.
_PAUSE = 0.05
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


def _whole(act: _Act, dtype: torch.dtype) -> None:
    y = act(torch.randn(_SAMPLES, dtype=dtype))
    _ = y.mean(), y.var()


def _var_mean(act: _Act, dtype: torch.dtype) -> None:
    torch.var_mean(act(torch.randn(_SAMPLES, dtype=dtype)))


def _dot(act: _Act, dtype: torch.dtype) -> None:
    y = act(torch.randn(_SAMPLES, dtype=dtype))
    _ = torch.dot(y, y) / _SAMPLES - y.mean() ** 2


def _in_pieces(act: _Act, dtype: torch.dtype, size: int) -> None:
    total = squares = 0.0
    for _ in range(_SAMPLES // size):
        y = act(torch.randn(size, dtype=dtype))
        total += float(y.sum())
        squares += float(torch.dot(y, y))


_FORMS: Mapping[str, Callable[[_Act, torch.dtype], None]] = {
    "mean, var": _whole,
    "var_mean": _var_mean,
    "mean, dot": _dot,
    "2^14 at a time": lambda act, dtype: _in_pieces(act, dtype, 1 << 14),
    "2^16 at a time": lambda act, dtype: _in_pieces(act, dtype, 1 << 16),
    "2^18 at a time": lambda act, dtype: _in_pieces(act, dtype, 1 << 18),
}


def _seconds(work: Callable[[], object]) -> tuple[float, float]:
    """Return wall and CPU seconds, measured after a pause."""
    time.sleep(_PAUSE)
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - cpu


def _speed(name: str, act: _Act) -> tuple[str, float]:
    """Return a row of the table, and how many times faster than the best plain form."""

    def plain(form: str, dtype: torch.dtype) -> Callable[[], None]:
        return lambda: _FORMS[form](act, dtype)

    entry = activation(name)
    works: dict[str, Callable[[], object]] = {f"64 {form}": plain(form, torch.float64) for form in _FORMS}
    works |= {f"32 {form}": plain(form, torch.float32) for form in _FORMS}
    works["ours"] = lambda: moments(entry, samples=_SAMPLES, names=("mean", "var"))
    works["all"] = lambda: moments(entry, samples=_SAMPLES)
    rounds = [{what: _seconds(work) for what, work in works.items()} for _ in range(_ROUNDS + 1)][1:]
    wall = {what: statistics.median(times[what][0] for times in rounds) for what in works}
    cpu = {what: statistics.median(times[what][1] for times in rounds) for what in works}
    best64, best32 = (min((w for w in works if w.startswith(bits)), key=wall.__getitem__) for bits in ("64", "32"))
    ratio = statistics.median(times[best64][0] / times["ours"][0] for times in rounds)
    met = "met" if ratio >= _FASTER else "MISSED"

    def ns(what: str) -> str:
        return f"{1e9 / _SAMPLES * wall[what]:.1f} ({1e9 / _SAMPLES * cpu[what]:.1f})"

    plain64, plain32 = f"{ns(best64)}, {best64[3:]}", f"{ns(best32)}, {best32[3:]}"
    return f"| {name} | {ns('ours')} | {plain64} | {plain32} | {ratio:.2f} | {_FASTER} | {met} | {ns('all')} |", ratio


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
            "| activation | mean and var | best plain, float64 | best plain, float32 | ratio in float64 | target | |"
            " all quantities |",
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
