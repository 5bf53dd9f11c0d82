"""What `propagate` expects beside what random networks do: every rule alone, and whole networks.

Each setting is a network drawn at random: its kind of layer, widths, shapes, and the statistics of its input (means
that are not zero, correlated inputs and positions, strides, unequal widths). It is written as a network file, which
`propagate` reads and which torch runs with random weights, many draws at once, forwards and by autograd backwards.
Errors are relative, of second moments and variances (of standard deviations they are half as large). Each simulation
has noise of its own, which stands beside: where errors are of its size, theory is at least as good as they say.

Run from the repository, with propstats installed: python tests/benchmarks/propagate.py --write reports/propagate.md
"""

import argparse
import json
import math
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

import propstats
from propstats.rules.softmax import softmax_moments

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from random_networks import NETWORKS, RULES, Setting
from simulated import Simulation

#: How many numbers (weights, or values of the largest layer) all draws of one setting may have together.
_NUMBERS = 4_000_000
#: Whole networks have more noise than single rules: they get more draws.
_MORE = 3
_INPUTS = 16
_PERCENTILES = (50, 90, 99)
#: What DeepScaleLM (Kedia et al. 2024, arXiv:2403.09635, code) prints of its theory against simulation, in per cent.
_PRINTED = {
    "relu": ("ReLU, variance", (0.5, 1.9, 3.4)),
    "gelu": ("GELU, variance", (0.2, 0.6, 1.3)),
    "dropout": ("dropout, variance", (0.1, 0.5, 1.5)),
    "feed-forward": ("FFN, variance", (0.4, 1.4, 2.8)),
    "softmax": ("softmax, variance (here the mean sum of squared weights)", (0.2, 0.9, 4.0)),
    "attention": ("attention, gradient's variance", (2.2, 13.3, 44.5)),
}


@dataclass(frozen=True)
class Outcome:
    """Relative errors and the simulation's relative standard errors, for q, var and the gradient, in per cent."""

    errors: tuple[float, ...]
    noise: tuple[float, ...]


def compare(setting: Setting, seed: int, numbers: int = _NUMBERS) -> Outcome:
    """Compare the signal at the output and the gradient at the input of one network."""
    draws = max(100, min(20_000, numbers // setting.numbers(_INPUTS)))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.json"
        path.write_text(json.dumps(setting.description), encoding="utf-8")
        found = propstats.propagate(path)
    measured = Simulation(setting.description, draws, _INPUTS, torch.Generator().manual_seed(seed)).run()
    first = "input" if "input" in measured else next(iter(measured))
    start = next(layer for layer in found.layers if layer.name == first)
    end, last = found.layers[-1], measured[found.layers[-1].name]
    gradient = measured[first].gradient
    assert gradient is not None
    # The input's own statistics are known: what its sampling adds to the noise is taken off again.
    known = [(measured[first].mean, start.mean), (measured[first].q, start.mean**2 + start.std**2)]
    known += [(measured[first].var, start.var)]
    pairs = [(end.mean**2 + end.std**2, last.q), (end.var, last.var), (start.backward_std**2, gradient)]
    errors, noise = [], []
    for theory, sample in pairs:
        mean, error = _estimate(sample, known if first == "input" else [])
        errors.append(100 * abs(theory / mean - 1))
        noise.append(100 * error / mean)
    return Outcome(tuple(errors), tuple(noise))


def _estimate(sample: torch.Tensor, known: Sequence[tuple[torch.Tensor, float]]) -> tuple[float, float]:
    """Return a mean over draws and its standard error, with statistics of known expectation as control variates."""
    y = sample.numpy()
    if known:
        x = np.stack([values.numpy() - expectation for values, expectation in known], axis=1)
        design = np.concatenate([np.ones((len(y), 1)), x], axis=1)
        solution, *_ = np.linalg.lstsq(design, y, rcond=None)
        residual = y - design @ solution
        return float(solution[0]), float(residual.std(ddof=design.shape[1])) / math.sqrt(len(y))
    return float(y.mean()), float(y.std(ddof=1)) / math.sqrt(len(y))


def softmax(rng: np.random.Generator) -> Outcome:
    """Compare what a softmax of independent logits gives: the mean of the sum of its squared weights."""
    count, std = int(rng.integers(4, 513)), float(rng.uniform(0.1, 2.5))
    logits = torch.randn(
        4 * _NUMBERS // count, count, generator=torch.Generator().manual_seed(int(rng.integers(2**31)))
    )
    sample = torch.softmax(std * logits, dim=1).square().sum(dim=1).double()
    mean = float(sample.mean())
    error = 100 * abs(softmax_moments(((count, 1.0),), std).squares / mean - 1)
    noise = 100 * float(sample.std()) / math.sqrt(len(sample)) / mean
    return Outcome((error,) * 3, (noise,) * 3)


def _cells(outcomes: Sequence[Outcome], which: int) -> str:
    levels = np.percentile([outcome.errors[which] for outcome in outcomes], _PERCENTILES)
    noise = np.median([outcome.noise[which] for outcome in outcomes])
    return f"{' / '.join(f'{level:.2f}' for level in levels)} | {noise:.2f}"


def _table(title: str, kinds: dict[str, list[Outcome]]) -> list[str]:
    lines = [
        f"| {title} | settings | q: 50 / 90 / 99 % | noise | var | noise | gradient | noise |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, outcomes in kinds.items():
        lines.append(f"| {name} | {len(outcomes)} | {' | '.join(_cells(outcomes, which) for which in range(3))} |")
    return lines


def main() -> int:
    """Run all settings, and write or print the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", type=Path, help="write the report to this file")
    parser.add_argument("--settings", type=int, default=40, help="settings per kind of network")
    parser.add_argument("--only", help="only kinds whose name contains this")
    options = parser.parse_args()
    torch.set_num_threads(1)
    started = time.perf_counter()
    groups: list[dict[str, list[Outcome]]] = []
    for number, kinds in enumerate((RULES, NETWORKS)):
        found: dict[str, list[Outcome]] = {}
        for position, (name, make) in enumerate(kinds.items()):
            if options.only and options.only not in name:
                continue
            rng = np.random.default_rng([number, position])
            numbers = _NUMBERS * (_MORE if number else 1)
            found[name] = [compare(make(rng), int(rng.integers(2**31)), numbers) for _ in range(options.settings)]
            print(name, *(_cells(found[name], which) for which in range(3)), file=sys.stderr, sep=" | ")
        groups.append(found)
    rng = np.random.default_rng(2)
    special = {"softmax": [softmax(rng) for _ in range(options.settings)]}
    everything = [outcome for kinds in groups for outcomes in kinds.values() for outcome in outcomes]
    about = (__doc__ or "").partition("\n\nRun from")[0]
    lines = ["# Propagation against simulation", "", about, ""]
    lines += ["Rebuilt by `python tests/benchmarks/propagate.py --write reports/propagate.md`,"]
    lines += [f"{len(everything):,} networks. In per cent; noise: the median standard error of one simulation.", ""]
    lines += [*_table("one rule", groups[0]), "", *_table("networks", groups[1]), ""]
    lines += [*_table("all", {"all of these": everything}), "", *_beside({**groups[0], **groups[1], **special})]
    report = "\n".join(lines) + "\n"
    if options.write is None:
        print(report)
    else:
        options.write.write_text(report, encoding="utf-8")
    print(f"{time.perf_counter() - started:.0f} s", file=sys.stderr)
    return 0


def _beside(kinds: dict[str, list[Outcome]]) -> list[str]:
    """Return the table that puts DeepScaleLM's printed percentiles beside ours."""
    lines = ["| DeepScaleLM (arXiv:2403.09635, code) prints | 50 / 90 / 99 % | here | noise | |"]
    lines += ["|---|---|---|---|---|"]
    for name, (label, printed) in _PRINTED.items():
        if name not in kinds:
            continue
        which = 2 if "gradient" in label else 1
        ours = np.percentile([outcome.errors[which] for outcome in kinds[name]], _PERCENTILES)
        met = "met" if all(own <= theirs for own, theirs in zip(ours, printed, strict=True)) else "MISSED"
        theirs = " / ".join(f"{value:g}" for value in printed)
        lines.append(f"| {label} | {theirs} | {_cells(kinds[name], which)} | {met} |")
    return lines


if __name__ == "__main__":
    sys.exit(main())
