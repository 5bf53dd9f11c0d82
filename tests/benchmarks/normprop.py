"""NormProp layer by layer, theory beside simulation: nine layers of 512 ReLUs, with gamma = 1 and with gamma = 1/J.

The dilemma in numbers: gamma = 1 keeps the signal canonical and lets gradients grow by J^2 = 1.467 a layer; gamma = 1/J
keeps gradients and lets the signal shrink. Signals are those of Gaussian inputs that have nothing in common; the
singular values are those of the Jacobian from the input to a layer. Each simulated number carries its standard error,
each predicted one what finite width allows.

Run from the repository, with propstats installed: python tests/benchmarks/normprop.py --write reports/normprop.md
"""

import argparse
import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure

from propstats.activations import activation
from propstats.estimate import Estimate
from propstats.expectation import quadrature
from propstats.report.style import INK, MEASURED, THEORY, styled
from propstats.report.training import write_report
from propstats.rules.dense import Weights
from propstats.rules.normprop import normprop
from propstats.signals import Signal
from propstats.simulation.averages import mean_of
from propstats.simulation.jacobian import jacobian
from propstats.simulation.stream import Stream
from propstats.simulation.weights import draw_weights
from propstats.theory.weights.schemes import Law

_DEPTH, _WIDTH, _INPUTS = 9, 512, 64
_NAMES = ("mean", "variance over data", "mean squared singular value", "largest singular value")


@dataclass(frozen=True)
class _Row:
    layer: int
    theory: tuple[Estimate, ...]
    simulation: tuple[Estimate, ...]


def _signals(gamma: float, draws: int) -> tuple[list[list[Estimate]], list[Signal]]:
    """Mean and variance over data after each layer: simulated, and as the rules predict them."""
    unit = activation("relu")
    moments = quadrature.moments(unit)
    shift, scale = moments["mean"].value, moments["normprop_scale"].value
    found = np.empty((draws, _DEPTH, 2))
    for draw in range(draws):
        stream = Stream(1, draw, torch.device("cpu"), torch.float32)
        x = stream.normal(_INPUTS, _WIDTH)
        for layer in range(_DEPTH):
            h = gamma * (x @ draw_weights(Law.UNIT_ROWS, _WIDTH, _WIDTH, stream).T)
            x = (torch.relu(h) - shift) / scale
            wide = x.double()
            found[draw, layer] = float(wide.mean()), float(wide.var(dim=0).mean())
    rule = normprop(Weights(0.0, 1 / _WIDTH, 0.0, 0.0, _WIDTH, _WIDTH, _WIDTH), unit, gamma)
    signals = [Signal(0.0, 1.0, 1.0)]
    for _ in range(_DEPTH):
        signals.append(rule.forward(signals[-1]))
    return [[mean_of(found[:, layer, k]) for k in range(2)] for layer in range(_DEPTH)], signals[1:]


def _rows(gamma: float, draws: int) -> list[_Row]:
    simulated, predicted = _signals(gamma, draws)
    rows = []
    for layer in range(1, _DEPTH + 1):
        spectrum = jacobian(depth=layer, width=_WIDTH, gamma=gamma, draws=draws, seed=layer, precision="float32")
        signal = predicted[layer - 1]
        route = quadrature.moments(activation("relu"))["mean"].route
        theory = (
            Estimate(signal.mean, signal.error / 2 * math.sqrt(signal.q), route),  # of a length: half its square's
            Estimate(signal.var, signal.error * signal.var, route),
            spectrum.theory.mean_square,
            spectrum.theory.max,
        )
        simulation = (*simulated[layer - 1], spectrum.simulation.mean_square, spectrum.simulation.max)
        rows.append(_Row(layer, theory, simulation))
    return rows


def _table(title: str, rows: Sequence[_Row]) -> list[str]:
    lines = [f"## {title}", "", "| layer | " + " | ".join(f"{name}: theory | simulation" for name in _NAMES) + " |"]
    lines.append("|---" * (1 + 2 * len(_NAMES)) + "|")
    for row in rows:
        cells = [
            f"{theory.value:.4f} ±{theory.error:.4f} | {simulation.value:.4f} ±{simulation.error:.4f}"
            for theory, simulation in zip(row.theory, row.simulation, strict=True)
        ]
        lines.append(f"| {row.layer} | " + " | ".join(cells) + " |")
    return [*lines, ""]


def _figure(columns: Sequence[tuple[str, Sequence[_Row]]]) -> Figure:
    with styled():
        figure = Figure(figsize=(9.5, 4.8))
        panels = figure.subplots(2, 4, sharex=True, sharey="col")
        for position, (line, (title, rows)) in enumerate(zip(panels, columns, strict=True)):
            layers = [row.layer for row in rows]
            for k, axes in enumerate(line):
                theory = np.array([row.theory[k].value for row in rows])
                allowed = np.array([row.theory[k].error for row in rows])
                axes.plot(layers, theory, color=THEORY, label="theory")
                axes.fill_between(layers, theory - allowed, theory + allowed, color=THEORY, alpha=0.15, linewidth=0)
                axes.errorbar(
                    layers,
                    [row.simulation[k].value for row in rows],
                    [row.simulation[k].error for row in rows],
                    fmt="o",
                    markersize=3,
                    color=MEASURED,
                    label="simulation ± one standard error",
                )
                if k >= 1:
                    axes.set_yscale("log")
                axes.set_xticks(range(1, _DEPTH + 1, 2))
                if position == 0:
                    axes.set_title(_NAMES[k], fontsize=8)
                if position == len(columns) - 1:
                    axes.set_xlabel("layer")
            line[0].set_ylabel(title)
            line[0].axhline(0.0, color=INK, linewidth=0.5)
        handles, texts = panels[0][0].get_legend_handles_labels()
        figure.legend(handles, texts, loc="outside lower center", ncols=2, frameon=False)
        figure.draw_without_rendering()
    return figure


def main() -> int:
    """Write the report and its figure, or print the report; exit with 1 if theory and simulation disagree."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=40, help="random networks")
    parser.add_argument("--write", type=Path, help="write the report to this file, and the figure beside it")
    options = parser.parse_args()
    factor = quadrature.moments(activation("relu"))["jacobian_factor"].value
    cases = [("gamma = 1", 1.0), ("gamma = 1/J", 1 / factor)]
    columns = [(title, _rows(gamma, options.draws)) for title, gamma in cases]
    pairs = [pair for _, rows in columns for row in rows for pair in zip(row.theory, row.simulation, strict=True)]
    apart = sum(not theory.agrees_with(simulation) for theory, simulation in pairs)
    about = (__doc__ or "").partition("\n\nRun from")[0]
    lines = [
        "# NormProp, nine layers", "", about, "",
        "Rebuilt by `python tests/benchmarks/normprop.py --write reports/normprop.md`"
        f" ({options.draws} networks, {_INPUTS} inputs each).",
        f"{len(pairs) - apart} of {len(pairs)} predictions agree with simulation within their errors.", "",
        "![theory and simulation, layer by layer](normprop.svg)", "",
    ]  # fmt: skip
    for title, rows in columns:
        lines += _table(title, rows)
    report = "\n".join(lines)
    if options.write is None:
        print(report)
    else:
        write_report(options.write, _figure(columns), lambda _: report)
    return int(apart > 0)


if __name__ == "__main__":
    sys.exit(main())
