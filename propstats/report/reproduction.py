"""A repeated experiment of the paper, as Markdown with a figure."""

import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from propstats.experiments.keeping import make_folder
from propstats.report.style import styled
from propstats.report.training import draw_networks, write_report

if TYPE_CHECKING:
    from propstats.experiments.reproduce.records import Reproduction, Reproductions, RunResult

# From the palette of Okabe and Ito.
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
_WORDS = {True: "holds here", False: "does not hold here", None: "not decided here"}


def write_reproduction(result: "Reproduction", path: str | os.PathLike[str]) -> None:
    """Write the report, and its figure beside it, with the same name and `.svg`.

    Raises:
        OutputError: If a file cannot be written.
    """
    write_report(path, reproduction_figure(result), partial(reproduction_markdown, result))


def write_reproductions(result: "Reproductions", folder: str | os.PathLike[str]) -> None:
    """Write a report for each experiment into a folder, `fig1.md` and so on.

    Raises:
        OutputError: If the folder cannot be made, or a file cannot be written.
    """
    where = make_folder(Path(folder))
    for experiment in result.experiments:
        write_reproduction(experiment, where / f"{experiment.name}.md")


def reproduction_markdown(result: "Reproduction", figure: str) -> str:
    """Return the report as Markdown.

    Args:
        result: What was found.
        figure: Name of the figure's file.
    """
    lines = [
        f"# {result.title}",
        "",
        f"Arpit et al. 2016, arXiv:1603.01431, {result.section}, repeated on {result.data} by",
        f"`{_command(result)}` ({result.device}).",
        "",
        f"![{result.title}]({figure})",
        "",
        "| run | networks | diverged | steps each | accuracy at the end ± standard error | best epoch |"
        " seconds for a full epoch |",
        "|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {run.run} | {len(run.trained)} | {sum(network.diverged is not None for network in run.trained)} | "
        f"{run.shortened.epochs * run.shortened.steps:,} | {_percent(run)} | {run.best.value:.2%} | {run.seconds:.0f} |"
        for run in result.runs
    ]
    if result.not_run:
        lines += ["", _share(result)]
    lines += ["", "## What the paper says, and what these runs show", ""]
    lines += [f"- *{verdict.statement}*: **{_WORDS[verdict.holds]}**. {verdict.found}." for verdict in result.verdicts]
    lines += ["", "## What was chosen here", "", *(f"- {choice}" for choice in result.choices)]
    lines += ["", "## What was not run", "", *(f"- {text}" for text in result.not_run or ("everything was",))]
    return "\n".join(lines) + "\n"


def _share(result: "Reproduction") -> str:
    """Say how much the verdicts rest on."""
    shares = [run.shortened.share for run in result.runs]
    of = (
        f"{min(shares):.2%}"
        if f"{min(shares):.2%}" == f"{max(shares):.2%}"
        else f"{min(shares):.2%} to {max(shares):.2%}"
    )
    thin = f", in networks with 1/{result.thin} of its filters" if result.thin > 1 else ""
    return (
        f"**These runs made {of} of the paper's training steps{thin}.** What holds here or not is said of "
        "such runs, not of the paper's."
    )


def _command(result: "Reproduction") -> str:
    budget = "" if result.budget is None else f" --budget {result.budget:g}"
    thin = "" if result.thin == 1 else f" --thin {result.thin}"
    seeds = f"--seeds {result.seeds} --seed {result.seed}"
    return f"propstats reproduce {result.name} --data {result.data} {seeds}{budget}{thin}"


def _percent(run: "RunResult") -> str:
    error = f" ±{run.accuracy.error:.2%}" if len(run.trained) > 1 else ""
    return f"{run.accuracy.value:.2%}{error}"


def reproduction_figure(result: "Reproduction") -> Figure:
    """Draw accuracy over epochs, with 95 % intervals over networks, and the means that layers receive."""
    with styled():
        figure = Figure(figsize=(9.0, 3.8))
        accuracy, means = figure.subplots(1, 2)
        accuracy.set_title("(a) validation accuracy")
        accuracy.set_ylabel("share of images named rightly")
        accuracy.set_ylim(0.0, 1.0)
        means.set_title("(b) means of what hidden layers receive")
        means.set_ylabel("root mean square over units")
        means.set_yscale("log")
        for axes in (accuracy, means):
            axes.set_xlabel(_epochs(result))
        for run, colour in zip(result.runs, _COLOURS, strict=False):
            epochs, networks = range(1, run.shortened.epochs + 1), [network.epochs for network in run.trained]
            rightly = [[epoch.accuracy for epoch in network] for network in networks]
            received = [[float(np.mean(epoch.layer_means)) for epoch in network] for network in networks]
            draw_networks(accuracy, epochs, rightly, label=run.run, colour=colour)
            draw_networks(means, epochs, received, label=run.run, colour=colour)
        figure.legend(*accuracy.get_legend_handles_labels(), loc="outside lower center", ncols=4, frameon=False)
        about = f"{result.title}, on {result.data}: means and 95 % intervals over {result.seeds} networks"
        figure.suptitle(about, x=0.01, ha="left", fontsize=10, parse_math=False)
        figure.draw_without_rendering()
    return figure


def _epochs(result: "Reproduction") -> str:
    """Say what an epoch is here."""
    steps = sorted({run.shortened.steps for run in result.runs})
    if all(run.shortened.steps == run.shortened.of_steps for run in result.runs):
        return "epoch"
    return f"epoch, shortened to {steps[0]:,}{f' to {steps[-1]:,}' if len(steps) > 1 else ''} steps"
