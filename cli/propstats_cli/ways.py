"""`propstats ways`."""

from typing import TYPE_CHECKING, Annotated

import typer

from propstats.errors import DomainError
from propstats_cli import options
from propstats_cli.output import Answer, print_table

if TYPE_CHECKING:
    from rich.console import Console

    from propstats.experiments.ways.records import Comparison


def ways(
    data: options.Images = "digits",
    depth: Annotated[str, typer.Option("--depth", metavar="N,N,...", help="Layers of weights.")] = "9,20,50",
    width: options.Width = 128,
    budget: Annotated[
        float | None, typer.Option("--budget", help="Seconds for all of it; ten epochs of every network without.")
    ] = None,
    steps: Annotated[
        int | None, typer.Option("--steps", help="Training steps of every network, instead of a budget.")
    ] = None,
    seeds: Annotated[int, typer.Option("--seeds", min=1, help="Networks of each way and depth.")] = 5,
    seed: options.Seed = 0,
    out: Annotated[str, typer.Option("--out", metavar="DIR", help="Folder of what is finished.")] = "propstats-ways",
    write: Annotated[
        str | None,
        typer.Option(
            "--write",
            metavar="FILE",
            callback=options.output_file,
            help="Write the report as Markdown, with its figure.",
        ),
    ] = None,
    device: options.Device = "auto",
    data_dir: options.DataDir = None,
    offline: options.Offline = False,
    json: options.Json = False,
) -> Answer:
    """Train deep networks: He, batch norm, NormProp and its variants; who is better?

    Each way chooses its learning rate at each depth, on images that are neither trained nor tested on. Better and worse
    are what Student's t tells over networks; most often nothing is told apart by few. Stopped, it goes on with the next
    network when it is called again.

    \b
    Examples:
      propstats ways --data fashion-mnist --budget 1200 --write ways.md
      propstats ways --data digits --depth 20 --width 64 --seeds 4 --steps 60
    """
    from propstats.experiments.ways.compare import compare_ways
    from propstats_cli.progress import bars

    with bars() as show:
        result = compare_ways(
            data,
            depths=_depths(depth),
            width=width,
            out=out,
            budget=budget,
            steps=steps,
            seeds=seeds,
            seed=seed,
            device=device,
            places=options.places(data_dir, offline),
            progress=show,
        )
    if write is not None:
        from propstats.report.ways import write_comparison

        write_comparison(result, write)
    return Answer("ways", result, True, json, lambda out: _render(out, result, write))


def _depths(text: str) -> list[int]:
    try:
        return [int(number) for number in text.split(",")]
    except ValueError:
        raise DomainError(f"--depth takes whole numbers with commas between them, got {text!r}") from None


def _render(out: "Console", result: "Comparison", write: str | None) -> None:
    from rich.markup import escape
    from rich.table import Table

    out.print(
        f"{escape(result.data)}, width {result.width}, {result.seeds} networks of each, {result.steps:,} steps; "
        f"{result.device}",
        soft_wrap=True,
    )
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("depth", "way", "rate", "test error", "95 %", "verdict"):
        table.add_column(heading, no_wrap=True, justify="left" if heading in ("way", "verdict") else "right")
    for found in result.results:
        words = [f"{j.word} {_BESIDE[j.word]} {j.against}" for j in result.judgements
                 if (j.way, j.depth) == (found.way, found.depth)]  # fmt: skip
        half = (found.interval[1] - found.interval[0]) / 2
        table.add_row(
            str(found.depth),
            found.way,
            f"{found.rate:.3g}",
            f"{found.error.value:.2%}",
            f"±{half:.2%}" if len(found.trained) > 1 else "",
            words[0] if words else "",
        )
        for word in words[1:]:
            table.add_row("", "", "", "", "", word)
    print_table(out, table)
    for text in result.protocol:
        out.print(f"how      {text}", soft_wrap=True)
    if write is not None:
        out.print(f"report   {escape(write)}", soft_wrap=True)


_BESIDE = {"better": "than", "worse": "than", "not told apart": "from"}
