"""`propstats dual`."""

import math
from typing import TYPE_CHECKING, Annotated

import typer

from propstats.errors import DomainError
from propstats_cli import options
from propstats_cli.output import Answer, print_table
from propstats_cli.quantities import print_quantities

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from propstats.estimate import Quantity
    from propstats.theory.dual import DualMoments, DualPoint, DualUnit

#: Significant digits in a table of many correlations.
_DIGITS = 5
_MEANING = """dual: E[y z]; cosine: dual/sqrt(E[y^2] E[z^2]), the c-map
difference: E[(y - z)^2]/2; slope: derivative of the dual in the correlation"""


def dual(
    act: options.Act = None,
    expr: options.Expr = None,
    a: options.A = None,
    param: options.Param = None,
    act2: Annotated[
        str | None,
        typer.Option(
            "--act2", help="Activation at v, if it is another one.", autocompletion=options.complete_activation
        ),
    ] = None,
    expr2: Annotated[
        str | None, typer.Option("--expr2", metavar="TEXT", help="Your own activation at v, as a formula in x.")
    ] = None,
    param2: Annotated[
        list[str] | None, typer.Option("--param2", metavar="NAME=VALUE", help="Parameter of the one at v; repeatable.")
    ] = None,
    correlation: Annotated[
        list[float] | None, typer.Option("--correlation", help="Correlation of u and v, in [-1, 1]; repeatable.")
    ] = None,
    points: Annotated[
        int | None, typer.Option("--points", min=2, max=1001, help="So many correlations from -1 to 1 instead.")
    ] = None,
    mean: Annotated[float, typer.Option("--mean", help="Mean of u.")] = 0.0,
    std: Annotated[float, typer.Option("--std", help="Standard deviation of u.")] = 1.0,
    mean2: Annotated[float | None, typer.Option("--mean2", help="Mean of v, if it is another one.")] = None,
    std2: Annotated[float | None, typer.Option("--std2", help="Standard deviation of v, if it is another one.")] = None,
    samples: Annotated[int, typer.Option("--samples", help="Samples to draw; 0 leaves sampling out.")] = 200_000,
    seed: options.Seed = 0,
    plot: options.Plot = None,
    json: options.Json = False,
) -> Answer:
    """What two activations leave of a correlation.

    For y = phi(u) and z = psi(v): E[y z] (the dual activation, or kernel), cosine (the c-map), covariance,
    correlation, E[(y - z)^2]/2 and the derivative of E[y z] in the correlation, by closed form, by quadrature and by
    sampling, each with its error. Exit code 1 if the routes disagree.

    \b
    Examples:
      propstats dual --act relu --correlation 0.5
      propstats dual --act tanh --std 1.5 --points 11 --samples 0
      propstats dual --act erf --act2 relu --mean2 0.5 --correlation 0.1 --correlation 0.9 --json
    """
    if bool(correlation) == (points is not None):
        what = "--correlation and --points exclude each other" if correlation else "give --correlation or --points"
        raise DomainError(what, "for example --correlation 0.5, or --points 11 for a grid from -1 to 1")
    if act2 is None and expr2 is None and param2:
        raise DomainError("--param2 needs --act2 or --expr2", "without them both activations are the same")

    from propstats.theory.dual import dual_moments

    grid = correlation or [(2 * i + 1 - points) / (points - 1) for i in range(points)] if points else correlation
    if plot is not None and len(grid or []) < 2:
        raise DomainError("one correlation is a point, and no map to draw", "add --points 41 instead")
    result = dual_moments(
        options.unit(act, expr, param, a),
        None if act2 is None and expr2 is None else options.unit(act2, expr2, param2, None),
        correlation=grid or [],
        mean=(mean, mean if mean2 is None else mean2),
        std=(std, std if std2 is None else std2),
        samples=samples,
        seed=seed,
    )
    return Answer("dual", result, result.agree, json, lambda out: _render(out, result), plot)


def _render(out: "Console", result: "DualMoments") -> None:
    from propstats.estimate import Route

    out.print(f"y = {_heading(result.first, 'u')}", soft_wrap=True)
    out.print(f"z = {_heading(result.second, 'v')}", soft_wrap=True)
    if len(result.points) == 1:
        out.print(f"correlation of u and v: {result.points[0].input_correlation:.15g}")
        print_quantities(out, result.points[0].quantities())
    else:
        _print_grid(out, result.points)
    for note in result.notes:
        out.print(f"note: {note}", soft_wrap=True)
    if result.samples:
        out.print(f"sampling: {result.samples:,} samples, seed {result.seed}, ± one standard error", soft_wrap=True)
        if len(result.points) == 1 and not all(
            Route.SAMPLING in q.routes for q in result.points[0].quantities().values()
        ):
            out.print("  -: too few samples make a difference for a standard error", soft_wrap=True)
    out.print(_MEANING, markup=False, soft_wrap=True)


def _heading(unit: "DualUnit", name: str) -> str:
    given = "".join(f", {key} = {value:g}" for key, value in unit.params.items())
    law = f"N({unit.input.mean:g}, {unit.input.std:g}^2)"
    return f"{unit.activation}({name}), {unit.activation}(x) = {unit.formula}{given},  {name} ~ {law}"


def _print_grid(out: "Console", points: "Sequence[DualPoint]") -> None:
    """Print the best numbers of many correlations."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("rho", *points[0].quantities(), "agree"):
        table.add_column(heading, no_wrap=True)
    for point in points:
        cells = [_short(quantity) for quantity in point.quantities().values()]
        table.add_row(f"{point.input_correlation:.15g}", *cells, "yes" if point.agree else "NO")
    print_table(out, table)
    out.print("by the best route, without digits beyond the error; --json has all, and errors", soft_wrap=True)


def _short(quantity: "Quantity") -> str:
    """Write a number with those of its first digits that are sure."""
    value, error = quantity.value, quantity.error
    if not math.isfinite(value):
        return "infinite" if math.isinf(value) else "undefined"
    if abs(value) <= error:
        return "0"
    sure = _DIGITS if error == 0 else max(1, min(_DIGITS, math.floor(math.log10(abs(value) / error))))
    return f"{value:.{sure}g}"
