"""Ways of keeping signal, compared: as Markdown with a figure."""

import os
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from propstats.experiments.ways.networks import WAYS
from propstats.report.style import styled
from propstats.report.training import draw_networks, write_report

if TYPE_CHECKING:
    from propstats.experiments.ways.records import Comparison, Judgement, WayResult

# From the palette of Okabe and Ito, and lines that tell them apart without colour.
_LOOKS = (
    ("#000000", ":"), ("#d55e00", "-"), ("#56b4e9", "--"), ("#009e73", "--"), ("#cc79a7", "-."), ("#0072b2", "-"),
)  # fmt: skip


def write_comparison(result: "Comparison", path: str | os.PathLike[str]) -> None:
    """Write the report, and its figure beside it, with the same name and `.svg`.

    Raises:
        OutputError: If a file cannot be written.
    """
    write_report(path, comparison_figure(result), partial(comparison_markdown, result))


def comparison_markdown(result: "Comparison", figure: str) -> str:
    """Return the report as Markdown.

    Args:
        result: What was found.
        figure: Name of the figure's file.
    """
    lines = [
        "# Which way trains better",
        "",
        f"Fully connected networks of ReLUs, {result.width} units wide, on {result.data}: {result.seeds} networks of "
        f"each way and depth, {result.steps:,} steps each ({result.steps / result.of_steps:.1%} of ten epochs).",
        "",
        f"Rebuilt by `{_command(result)}` ({result.device}).",
        "",
        f"![test error along training]({figure})",
        "",
    ]
    for depth in result.depths:
        lines += [f"## {depth} layers", "", *_verdicts(result, depth), "", *_table(result, depth), ""]
    lines += ["## The ways", "", *(f"- `{way.name}`: {way.meaning}" for way in WAYS.values())]
    lines += ["", "## How it was done", "", *(f"- {text}" for text in result.protocol)]
    lines += [
        "- intervals: 95 % over networks, Student's t (of differences: Welch's), each for itself; better and worse: "
        f"Holm's method at 5 % over all {len(result.judgements)} pairs",
    ]
    return "\n".join(lines) + "\n"


def _command(result: "Comparison") -> str:
    # Not the budget: how many steps fit into that depends on the machine.
    steps = "" if result.steps == result.of_steps else f" --steps {result.steps}"
    depths = ",".join(map(str, result.depths))
    which = f"--data {result.data} --depth {depths} --width {result.width}"
    return f"propstats ways {which} --seeds {result.seeds} --seed {result.seed}{steps}"


def _verdicts(result: "Comparison", depth: int) -> list[str]:
    """Say first what a reader came for."""
    own = [judgement for judgement in result.judgements if judgement.depth == depth]
    beside = [judgement for judgement in own if judgement.against == "batchnorm"]
    said = [
        f"**{word}** {relation} batch norm: {', '.join(names)}"
        for word, relation in (("better", "than"), ("worse", "than"), ("not told apart", "from"))
        if (names := [f"`{judgement.way}`" for judgement in beside if judgement.word == word])
    ]
    return ["; ".join(said) + "."]


def _table(result: "Comparison", depth: int) -> list[str]:
    rows = ["| way | learning rate | test error | diverged | beside | difference | p | verdict |",
            "|---|---|---|---|---|---|---|---|"]  # fmt: skip
    for found in (found for found in result.results if found.depth == depth):
        own = [j for j in result.judgements if (j.way, j.depth) == (found.way, depth)]
        diverged = sum(network.diverged is not None for network in found.trained)
        rate = f"{found.rate:.3g}{_at_end(found)}"
        first = f"| `{found.way}` | {rate} | {_error(found)} | {diverged} of {len(found.trained)} |"
        rows += [f"{first if k == 0 else '| | | | |'} {_beside(j)}" for k, j in enumerate(own)] or [f"{first} | | | |"]
    return rows


def _beside(judgement: "Judgement") -> str:
    low, high = judgement.interval
    difference = f"{judgement.difference.value:+.2%} ({low:+.2%} to {high:+.2%})" if judgement.p is not None else "-"
    p = "-" if judgement.p is None else f"{judgement.p:.1g}"
    return f"`{judgement.against}` | {difference} | {p} | {judgement.word} |"


def _error(found: "WayResult") -> str:
    half = (found.interval[1] - found.interval[0]) / 2
    return f"{found.error.value:.2%}" + (f" ±{half:.2%}" if len(found.trained) > 1 else "")


def _at_end(found: "WayResult") -> str:
    """Say where the best learning rate has no worse one on one side."""
    rates = [rate for rate, _ in found.tried]
    return " (at the end of those tried)" if found.rate in (rates[0], rates[-1]) else ""


def comparison_figure(result: "Comparison") -> Figure:
    """Draw the test error along training, a panel for each depth, with 95 % intervals over networks."""
    with styled():
        figure = Figure(figsize=(3.2 * len(result.depths) + 0.4, 3.8))
        panels: Sequence[Axes] = figure.subplots(1, len(result.depths), sharey=True, squeeze=False)[0]
        for axes, depth in zip(panels, result.depths, strict=True):
            axes.set_title(f"{depth} layers")
            axes.set_xlabel("training step")
            axes.set_ylim(0.0, 1.0)
            for found in (found for found in result.results if found.depth == depth):
                colour, line = _LOOKS[list(WAYS).index(found.way) % len(_LOOKS)]
                errors = [network.errors for network in found.trained]
                draw_networks(axes, found.trained[0].steps, errors, label=found.way, colour=colour, line=line)
        panels[0].set_ylabel("test error")
        figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=6, frameon=False)
        title = f"Test error along training on {result.data}: means and 95 % intervals over {result.seeds} networks"
        figure.suptitle(title, x=0.01, ha="left", fontsize=10, parse_math=False)
        figure.draw_without_rendering()
    return figure
