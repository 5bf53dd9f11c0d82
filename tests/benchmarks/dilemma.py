"""The dilemma of NormProp and the ways out of it, over fifty layers of 512 ReLUs: theory beside simulation.

A layer that keeps the variance of its signal multiplies a gradient's mean square by J^2 >= 1, and by 1 only if it is
linear (the Gaussian Poincare inequality). With gamma = 1 signals are canonical and gradients grow by 1.467 a layer;
with gamma = 1/J gradients are kept and signals shrink. Ways out: a bias with constants that fit, a leaky ReLU with the
slope for this depth, and separate scales for gradients; these may double a gradient's mean square over the fifty
layers. `propstats design --depth 50` puts the same ways side by side.

The mean squared singular value is that of the Jacobian from the input, as gradients see it, simulated by its products
with random vectors. Simulated numbers carry their standard errors over networks. Signals whose second moment neither
attracts nor repels (gamma = 1) wander in a finite network: theory is that of infinite width.

Run from the repository, with propstats installed: python tests/benchmarks/dilemma.py --write reports/dilemma.md
"""

import argparse
import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure

from propstats.activations import activation
from propstats.errors import DomainError
from propstats.estimate import Estimate
from propstats.report.style import PALETTE, styled
from propstats.report.training import write_report
from propstats.simulation.averages import mean_of, mean_of_products
from propstats.simulation.stream import Stream
from propstats.simulation.weights import draw_weights
from propstats.theory.design.candidates import WAYS, Recipe
from propstats.theory.weights.schemes import Law

_DEPTH, _WIDTH, _GROWTH, _INPUTS = 50, 512, 2.0, 32
_SHOWN = (1, 9, 20, 35, 50)
_LINES = ("-", "-", "--", "-.", ":", "-")


@dataclass(frozen=True)
class _Way:
    """Second moment of the signal and mean squared singular value after each layer: theory, and simulated."""

    moments: tuple[float, ...]
    squares: tuple[float, ...]
    simulated: tuple[tuple[Estimate, Estimate], ...]


def _theory(recipe: Recipe) -> tuple[tuple[float, ...], tuple[float, ...]]:
    moments, _ = recipe.unit.trajectory(_DEPTH)
    growths = [recipe.unit.trajectory(layer)[1] for layer in range(1, _DEPTH + 1)]
    back = 2.0 * math.log(recipe.backward_scale)
    return moments[1:], tuple(math.exp(growth + layer * back) for layer, growth in enumerate(growths, 1))


def _simulated(recipe: Recipe, draws: int) -> tuple[tuple[Estimate, Estimate], ...]:
    unit, found = recipe.unit, np.empty((draws, _DEPTH, 2))
    for draw in range(draws):
        stream = Stream(2, draw, torch.device("cpu"), torch.float32)
        x, v = stream.normal(_INPUTS, _WIDTH), stream.normal(_INPUTS, _WIDTH)
        start = float(v.double().square().sum())
        for layer in range(_DEPTH):
            weights = draw_weights(Law.UNIT_ROWS, _WIDTH, _WIDTH, stream).T
            h = unit.gamma * (x @ weights) + unit.beta
            slopes = (recipe.backward_scale * unit.gamma / unit.scale) * unit.activation.slope(h)
            x, v = (unit.activation(h) - unit.shift) / unit.scale, slopes * (v @ weights)
            found[draw, layer] = float(x.double().square().mean()), float(v.double().square().sum()) / start
    return tuple((mean_of(found[:, layer, 0]), mean_of_products(found[:, layer, 1])) for layer in range(_DEPTH))


def _table(ways: Mapping[str, _Way]) -> list[str]:
    lines = ["| way | layer | second moment: theory | simulation | mean squared singular value: theory | simulation |"]
    lines.append("|---|---|---|---|---|---|")
    for name, way in ways.items():
        for layer in _SHOWN:
            moment, square = way.simulated[layer - 1]
            lines.append(
                f"| {name} | {layer} | {way.moments[layer - 1]:.4g} | {moment.value:.3g} ±{moment.error:.1g} | "
                f"{way.squares[layer - 1]:.4g} | {square.value:.3g} ±{square.error:.1g} |"
            )
    return lines


def _figure(ways: Mapping[str, _Way]) -> Figure:
    layers = range(1, _DEPTH + 1)
    with styled():
        figure = Figure(figsize=(9.0, 4.2))
        signal, gradient = figure.subplots(1, 2)
        for number, ((name, way), colour, line) in enumerate(zip(ways.items(), PALETTE, _LINES, strict=False)):
            at = layers[number :: len(ways)]  # every way at its own layers, or points would hide each other
            for k, (axes, theory) in enumerate(((signal, way.moments), (gradient, way.squares))):
                axes.plot(layers, theory, color=colour, linestyle=line, label=name if k == 0 else None)
                points = [way.simulated[layer - 1][k] for layer in at]
                axes.errorbar(
                    at, [p.value for p in points], [p.error for p in points],
                    fmt="o", markersize=3, color=colour,
                )  # fmt: skip
        for axes, title in ((signal, "(a) second moment of the signal"), (gradient, "(b) mean squared singular value")):
            axes.set_title(title)
            axes.set_yscale("log", base=2)
            axes.set_xlabel("layer")
        figure.legend(loc="outside lower center", ncols=6, frameon=False)
        what = f"{_DEPTH} layers of {_WIDTH} ReLUs; lines: infinite width, points: simulated ± one standard error"
        figure.suptitle(what, x=0.01, ha="left", fontsize=10)
        figure.draw_without_rendering()
    return figure


def main() -> int:
    """Write the report and its figure, or print the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=40, help="random networks")
    parser.add_argument("--write", type=Path, help="write the report to this file, and the figure beside it")
    options = parser.parse_args()
    ways: dict[str, _Way] = {}
    notes = []
    for name, meaning, make in WAYS:
        try:
            recipe = make(activation("relu"), _DEPTH, _GROWTH)
        except DomainError as error:
            notes.append(f"- *{name}* is not for ReLUs: {error.message}.")
            continue
        ways[name] = _Way(*_theory(recipe), _simulated(recipe, options.draws))
        notes.append(f"- *{name}*: {meaning}.")
    about = (__doc__ or "").partition("\n\nRun from")[0]
    report = "\n".join([
        "# The dilemma of NormProp, and ways out", "", about, "",
        "Rebuilt by `python tests/benchmarks/dilemma.py --write reports/dilemma.md`"
        f" ({options.draws} networks, {_INPUTS} inputs each).", "",
        "![signal and gradient over depth](dilemma.svg)", "",
        *_table(ways), "",
        *notes, "",
    ])  # fmt: skip
    if options.write is None:
        print(report)
    else:
        write_report(options.write, _figure(ways), lambda _: report)
    return 0


if __name__ == "__main__":
    sys.exit(main())
