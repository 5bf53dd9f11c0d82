"""`propstats sweep`."""

from typing import TYPE_CHECKING, Annotated

import typer

from propstats.errors import DomainError
from propstats_cli import options
from propstats_cli.output import Answer, print_table

if TYPE_CHECKING:
    from rich.console import Console

    from propstats.simulation.sweep import Sweep


def sweep(
    act: options.Act = None,
    expr: options.Expr = None,
    a: options.A = None,
    param: options.Param = None,
    depth: Annotated[str, typer.Option("--depth", metavar="N,N,...", help="Layers.")] = "5,10,20",
    sigma_w: Annotated[
        str, typer.Option("--sigma-w", metavar="X,X,...", help="Std of the weights times sqrt(fan_in).")
    ] = "1",
    sigma_b: Annotated[str, typer.Option("--sigma-b", metavar="X,X,...", help="Std of the biases.")] = "0",
    width: options.Width = 128,
    scheme: Annotated[
        str, typer.Option("--scheme", help="Whose law the weights have: lecun, orthogonal, ...")
    ] = "lecun",
    draws: Annotated[int, typer.Option("--draws", help="Random networks in each cell.")] = 30,
    seed: options.Seed = 0,
    device: options.Device = "cpu",
    plot: options.Plot = None,
    json: options.Json = False,
) -> Answer:
    """Jacobians over depths and scales: theory and simulation.

    Every combination of --depth, --sigma-w and --sigma-b. Under torchrun the draws are shared among processes, and the
    numbers stay the same. Exit code 1 if theory and simulation disagree.

    \b
    Examples:
      propstats sweep --act tanh --depth 5,10,20 --sigma-w 1,1.5 --sigma-b 0,0.1
      torchrun --nproc-per-node 4 -m propstats sweep --act relu --sigma-w 1.2,1.4142,1.6 --draws 1000
    """
    from propstats.simulation.sweep import sweep as compute
    from propstats_cli.progress import counting

    depths = [int(number) for number in _numbers("--depth", depth, whole=True)]
    weights, biases = _numbers("--sigma-w", sigma_w), _numbers("--sigma-b", sigma_b)
    with counting("drawing networks", draws * len(depths) * len(weights) * len(biases)) as advance:
        result = compute(
            options.unit(act, expr, param, a, default="tanh"),
            depths=depths,
            sigma_w=weights,
            sigma_b=biases,
            width=width,
            scheme=scheme,
            draws=draws,
            seed=seed,
            device=device,
            progress=advance,
        )
    return Answer("sweep", result, result.agree, json, lambda out: _render(out, result), plot)


def _numbers(option: str, text: str, *, whole: bool = False) -> list[float]:
    try:
        return [int(number) if whole else float(number) for number in text.split(",")]
    except ValueError:
        kind = "whole numbers" if whole else "numbers"
        raise DomainError(f"{option} takes {kind} with commas between them, got {text!r}") from None


def _render(out: "Console", result: "Sweep") -> None:
    from rich.table import Table

    from propstats_cli.numbers import sampled, short

    given = "".join(f" {name}={value:g}" for name, value in result.params.items())
    out.print(
        f"{result.activation}{given}, {result.scheme} weights, width {result.width}; {result.draws} draws a cell, seed "
        f"{result.seed}",
        soft_wrap=True,
    )
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("depth", "sigma_w", "sigma_b", "q", "sim.", "mean sq.", "sim.", "max", "sim.", "agree"):
        table.add_column(heading, no_wrap=True)
    for cell in result.cells:
        start = (str(cell.depth), f"{cell.sigma_w:g}", f"{cell.sigma_b:g}")
        if cell.theory is None or cell.simulation is None or cell.signal is None:
            table.add_row(*start, "-", "-", "-", "-", "-", "-", "-")
            continue
        table.add_row(
            *start,
            short(cell.signal.theory),
            sampled(cell.signal.simulation),
            short(cell.theory.mean_square.value),
            sampled(cell.simulation.mean_square),
            short(cell.theory.max.value),
            sampled(cell.simulation.max),
            "yes" if cell.agree else "NO",
        )
    print_table(out, table)
    for cell in result.cells:
        if cell.error is not None:
            out.print(
                f"depth {cell.depth}, sigma_w {cell.sigma_w:g}, sigma_b {cell.sigma_b:g}: {cell.error}", soft_wrap=True
            )
    out.print(
        "q: second moment of the signal after the last layer; mean sq., max: of the Jacobian's singular values; sim.: "
        "simulated ± one standard error",
        soft_wrap=True,
    )
