"""`propstats propagate`."""

from typing import TYPE_CHECKING, Annotated

import typer

from propstats.errors import DomainError
from propstats_cli import options
from propstats_cli.output import Answer, print_table

if TYPE_CHECKING:
    from rich.console import Console

    from propstats.rules.propagation import Growth, Propagation


def propagate(
    network: Annotated[str, typer.Argument(metavar="NET", help="A network file (.toml, .json) or a torch module.")],
    data_mean: Annotated[float | None, typer.Option("--data-mean", help="Mean of the data.")] = None,
    data_std: Annotated[float | None, typer.Option("--data-std", help="Standard deviation of the data.")] = None,
    correlation: Annotated[float | None, typer.Option("--correlation", help="Correlation of two inputs.")] = None,
    shape: Annotated[
        str | None, typer.Option("--shape", metavar="3x32x32", help="Shape of a torch module's input.")
    ] = None,
    arch: options.Arch = None,
    allow: options.Allow = None,
    class_: options.Class = None,
    key: options.Key = None,
    partial: options.Partial = False,
    trust: options.Trust = False,
    no_verify: options.NoVerify = False,
    test: Annotated[bool, typer.Option("--test", help="As at test time: dropout does nothing.")] = False,
    plot: options.Plot = None,
    json: options.Json = False,
) -> Answer:
    """What every layer of a network should carry.

    Forwards: mean, standard deviation, variance over the data, correlation of two inputs; backwards: the gradient's
    standard deviation; each on average over random weights, with the error that finite width allows. Exit code 1 if
    signal or gradient changes by more than a factor of 100 from end to end.

    \b
    Examples:
      propstats propagate network.toml
      propstats propagate network.toml --data-mean 0.5 --data-std 0.25 --correlation 0.3 --json
      propstats propagate model.pt --shape 3x32x32
    """
    from propstats.auditing.propagate import propagate as compute

    result = compute(
        network,
        shape=None if shape is None else _shape(shape),
        access=options.access(arch, allow, class_, partial, trust, no_verify, key),
        mean=data_mean,
        std=data_std,
        correlation=correlation,
        training=not test,
    )
    return Answer("propagate", result, result.passed, json, lambda out: _render(out, result), plot)


def _shape(text: str) -> tuple[int, ...]:
    sizes = text.lower().split("x")
    if not all(size.isdecimal() and int(size) > 0 for size in sizes):
        raise DomainError(f"--shape takes positive whole numbers, got {text!r}", "for example --shape 3x32x32")
    return tuple(int(size) for size in sizes)


def _render(out: "Console", result: "Propagation") -> None:
    from rich.markup import escape
    from rich.table import Table

    from propstats_cli.numbers import short
    from propstats_cli.sparkline import print_profile

    data = result.input
    out.print(
        f"network  {escape(result.network)}: {len(result.layers) - 1} layers, {result.weight_layers} of weights",
        soft_wrap=True,
    )
    out.print(f"data     mean {data.mean:g}, std {data.std:g}, correlation of two inputs {data.correlation:g}")
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("layer", no_wrap=True)
    for heading in ("shape", "mean", "std", "signal std", "c", "±", "gradient", "±"):
        table.add_column(heading, justify="right", no_wrap=True)
    for layer in result.layers:
        table.add_row(
            escape(layer.name),
            "x".join(map(str, (layer.units, *layer.positions))),
            short(layer.mean),
            short(layer.std),
            short(layer.var**0.5),
            short(layer.c if abs(layer.c) > 1e-12 else 0.0),  # what rounding leaves
            _percent(layer.error),
            short(layer.backward_std),
            _percent(layer.backward_error),
        )
    print_table(out, table)
    out.print(
        "signal std: over the data, mean of units; c: correlation of two inputs; gradient: root mean square, of 1 at "
        "the output; ±: one standard error at this width",
        soft_wrap=True,
    )
    ends = "from input to output"
    print_profile(out, "signal", [layer.var**0.5 for layer in result.layers], ends)
    print_profile(out, "gradient", [layer.backward_std for layer in result.layers], ends)
    for direction, growth in (("forwards", result.forward), ("backwards", result.backward)):
        out.print(f"{direction:9} {_growth(growth)}", soft_wrap=True)
    for note in result.notes:
        out.print(f"note: {escape(note)}", soft_wrap=True)
    verdict = "[bold green]PASS[/]: signal survives" if result.passed else "[bold red]FAIL[/]: signal does not survive"
    out.print(f"verdict   {verdict}")


def _percent(error: float) -> str:
    """Show the error of a root mean square: half of that of its square."""
    return f"{50 * error:.2g}%" if error > 0 else "-"


def _growth(growth: "Growth") -> str:
    from rich.markup import escape

    rate = f"x{growth.rate:.3g} a layer of weights, " if growth.rate is not None else ""
    beyond = "beyond 100" if growth.total > 1 else "below 1/100"
    died = f", {beyond} from {escape(growth.dies_at)} on" if growth.dies_at is not None else ""
    return f"{rate}x{growth.total:.2g} from end to end{died}"
