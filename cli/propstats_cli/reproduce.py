"""`propstats reproduce`."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from propstats.errors import unknown_name
from propstats_cli import options
from propstats_cli.output import Answer, print_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from propstats.experiments.reproduce.records import Reproduction


def reproduce(
    experiment: Annotated[str, typer.Argument(help="fig1, fig2, fig3, fig4, table1, speed or all.")],
    data: options.Images = "digits",
    budget: Annotated[
        float | None, typer.Option("--budget", help="Seconds for all of it; the whole protocol without.")
    ] = None,
    thin: Annotated[
        int, typer.Option("--thin", min=1, help="Divide the numbers of filters by this, for small machines.")
    ] = 1,
    seeds: Annotated[int | None, typer.Option("--seeds", min=1, help="Networks of each run.")] = None,
    seed: options.Seed = 0,
    out: Annotated[str, typer.Option("--out", metavar="DIR", help="Folder of checkpoints.")] = "propstats-reproduce",
    write: Annotated[
        str | None,
        typer.Option(
            "--write", metavar="FILE", help="Write the report as Markdown, with its figure; a folder for all."
        ),
    ] = None,
    device: options.Device = "auto",
    data_dir: options.DataDir = None,
    offline: options.Offline = False,
    json: options.Json = False,
) -> Answer:
    """Repeat an experiment of the NormProp paper on real images.

    Network, rates and schedule are the paper's; a budget leaves out the same share of all runs and says so, and
    --thin makes the network smaller. Stopped, it goes on from its last epoch when it is called again.

    \b
    Examples:
      propstats reproduce fig3 --data fashion-mnist --budget 600
      propstats reproduce table1 --data cifar10 --device cuda --write table1.md
      propstats reproduce all --data fashion-mnist --budget 1600 --write reports
    """
    from propstats.experiments.reproduce.protocol import EXPERIMENTS
    from propstats.experiments.reproduce.reproduce import reproduce as repeat
    from propstats.experiments.reproduce.reproduce import reproduce_all
    from propstats.report.reproduction import write_reproduction, write_reproductions
    from propstats_cli.progress import bars

    if experiment not in (*EXPERIMENTS, "all"):
        raise unknown_name("experiment", experiment, [*EXPERIMENTS, "all"])
    place = options.places(data_dir, offline)
    shared: dict[str, Any] = {"out": out, "thin": thin, "seeds": seeds, "seed": seed, "device": device, "places": place}
    if experiment == "all":
        with bars() as show:
            whole = reproduce_all(data, budget=budget, progress=show, **shared)
        if write is not None:
            write_reproductions(whole, write)
        return Answer("reproduce", whole, True, json, lambda out: _render(out, whole.experiments, write))
    options.output_file(write)
    with bars() as show:
        result = repeat(experiment, data, budget=budget, progress=show, **shared)
    if write is not None:
        write_reproduction(result, write)
    return Answer("reproduce", result, True, json, lambda out: _render(out, [result], write))


def _render(out: "Console", results: "Sequence[Reproduction]", write: str | None) -> None:
    from rich.markup import escape

    for result in results:
        _render_one(out, result)
    if write is not None:
        out.print(f"report   {escape(write)}", soft_wrap=True)


def _render_one(out: "Console", result: "Reproduction") -> None:
    from rich.markup import escape
    from rich.table import Table

    heading = f"{result.name}: {result.title} ({result.section}), on {escape(result.data)}, {result.device}"
    out.print(heading, soft_wrap=True)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("run", "networks", "accuracy", "±", "best", "full epoch"):
        table.add_column(heading, no_wrap=True, justify="left" if heading == "run" else "right")
    for run in result.runs:
        table.add_row(
            run.run,
            str(len(run.trained)),
            f"{run.accuracy.value:.2%}",
            f"{run.accuracy.error:.2%}" if len(run.trained) > 1 else "",
            f"{run.best.value:.2%}",
            f"{run.seconds:.0f} s",
        )
    print_table(out, table)
    for verdict in result.verdicts:
        word = {True: "holds here", False: "does not hold here", None: "not decided here"}[verdict.holds]
        out.print(f"paper    {verdict.statement}", soft_wrap=True)
        out.print(f"         [bold]{word}[/]: {verdict.found}", soft_wrap=True)
    for text in result.choices:
        out.print(f"chosen   {text}", soft_wrap=True)
    for text in result.not_run:
        out.print(f"not run  {escape(text)}", soft_wrap=True)
