"""`propstats design`."""

from typing import TYPE_CHECKING, Annotated

import typer

from propstats_cli import options
from propstats_cli.output import Answer, print_table

if TYPE_CHECKING:
    from rich.console import Console

    from propstats.simulation.design import Design


def design(
    act: options.Act = None,
    expr: options.Expr = None,
    a: options.A = None,
    param: options.Param = None,
    depth: options.Depth = 50,
    width: options.Width = 512,
    max_growth: Annotated[
        float, typer.Option("--max-growth", help="Largest growth of a gradient's mean square over all layers.")
    ] = 2.0,
    branches: Annotated[
        bool, typer.Option("--branches", help="Paths meet in the network, as with skip connections.")
    ] = False,
    draws: Annotated[int, typer.Option("--draws", help="Random networks to simulate for each way; 0: none.")] = 100,
    seed: options.Seed = 0,
    plot: options.Plot = None,
    json: options.Json = False,
) -> Answer:
    """Ways to build a deep network that carries signal.

    Side by side: what each keeps of the signal, how gradients grow, whether the variance is stable, how nonlinear it
    stays, and the depth at which a network of this width breaks. Exit code 1 if no way fits.

    \b
    Examples:
      propstats design --act relu --depth 50 --width 512 --max-growth 2
      propstats design --act gelu --depth 100 --branches --plot design.png
    """
    from propstats.simulation.design import design as compute
    from propstats.theory.design.candidates import WAYS
    from propstats_cli.progress import counting

    with counting("comparing ways", len(WAYS)) as advance:
        result = compute(
            options.unit(act, expr, param, a, default="relu"),
            depth=depth,
            width=width,
            max_growth=max_growth,
            branches=branches,
            draws=draws,
            seed=seed,
            progress=advance,
        )
    return Answer("design", result, result.recommended is not None, json, lambda out: _render(out, result), plot)


def _render(out: "Console", result: "Design") -> None:
    from rich.table import Table

    from propstats_cli.numbers import short

    given = "".join(f" {name}={value:g}" for name, value in result.params.items())
    out.print(
        f"{result.depth} layers of {result.width} units, {result.activation}{given}; gradients may grow "
        f"x{result.max_growth:g} in the mean square",
        soft_wrap=True,
    )
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("way", no_wrap=True)
    for heading in ("signal", "gradient", "stability", "nonlinear", "breaks at", "broken", "fits"):
        table.add_column(heading, justify="right", no_wrap=True)
    for way in result.ways:
        table.add_row(
            way.name,
            f"x{short(way.second_moments[-1])}",
            f"x{short(way.growth)}",
            "-" if way.stability is None else f"{way.stability:.3f}",
            f"{way.nonlinear_share:.1%}",
            "never" if way.breaking.first is None else str(way.breaking.first),
            "-" if way.simulated is None else f"{way.simulated.broken.value:.0%}",
            "yes" if way.fits else "no",
        )
    print_table(out, table)
    broken = f"; broken: the share of {result.draws} simulated networks that have" if result.draws else ""
    out.print(
        "signal, gradient: factors of the mean square over all layers; stability: below 1 the variance is attracted; "
        "nonlinear: share of a layer's output; breaks at: the layer by which one network in ten has halved or doubled "
        f"its standard deviation{broken}",
        soft_wrap=True,
    )
    for way in result.ways:
        constants = ", ".join(f"{name} {value:.6g}" for name, value in way.constants.items())
        out.print(f"{way.name}: {way.about}\n  {constants}", soft_wrap=True)
    for refused in result.refused:
        out.print(f"{refused.name}: not here: {refused.reason}", soft_wrap=True)
    if result.recommended is None:
        out.print("no way fits: allow more growth, or build fewer layers", soft_wrap=True)
    else:
        out.print(f"recommended: {result.recommended}, the most nonlinear way that fits", soft_wrap=True)
