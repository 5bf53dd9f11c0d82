"""`propstats meanfield`."""

import math
from typing import TYPE_CHECKING, Annotated

import typer

from propstats_cli import options
from propstats_cli.output import Answer, print_table

if TYPE_CHECKING:
    from rich.console import Console

    from propstats.estimate import Estimate, Quantity
    from propstats.theory.mean_field.records import FixedPoint, MeanField

#: Of a longer trajectory, only so many layers are printed for people.
_ROWS = 12
#: Rows of the tables that a figure is drawn from.
_MAP_POINTS = 121


def meanfield(
    sigma_w: Annotated[float, typer.Option("--sigma-w", help="Standard deviation of the weights, times sqrt(fan_in).")],
    act: options.Act = None,
    expr: options.Expr = None,
    a: options.A = None,
    param: options.Param = None,
    sigma_b: Annotated[float, typer.Option("--sigma-b", help="Standard deviation of the biases.")] = 0.0,
    beta: options.Beta = 0.0,
    depth: Annotated[int, typer.Option("--depth", help="Layers to follow one by one.")] = 0,
    q0: options.Q0 = 1.0,
    c0: Annotated[float, typer.Option("--c0", help="Correlation that two inputs start with.")] = 0.5,
    digits: Annotated[
        int, typer.Option("--digits", min=0, max=15, help="Digits of the fixed points to prove; 0 leaves that out.")
    ] = 12,
    plot: options.Plot = None,
    json: options.Json = False,
) -> Answer:
    """Mean field theory of wide networks.

    All fixed points of the second moment q and of the correlation c of two inputs, whether they attract, over how
    many layers, and what happens where there is none, for wide fully connected layers. Exit code 1 if the routes
    disagree.

    \b
    Examples:
      propstats meanfield --act tanh --sigma-w 1.5 --sigma-b 0.1
      propstats meanfield --act relu --sigma-w 1.5 --depth 50
    """
    from propstats.theory.mean_field.field import mean_field as compute

    result = compute(
        options.unit(act, expr, param, a),
        sigma_w=sigma_w,
        sigma_b=sigma_b,
        beta=beta,
        q0=q0,
        c0=c0,
        depth=depth,
        digits=digits or None,
        map_points=_MAP_POINTS if plot is not None else 0,
    )
    return Answer("meanfield", result, result.agree, json, lambda out: _render(out, result), plot)


def _render(out: "Console", result: "MeanField") -> None:
    given = "".join(f" {name}={value:g}" for name, value in result.params.items())
    mean = f", beta {result.beta:g}" if result.beta else ""
    out.print(
        f"{result.activation}{given}: sigma_w {result.sigma_w:g}, sigma_b {result.sigma_b:g}{mean}; wide layers",
        soft_wrap=True,
    )
    out.print(_verdict(result), soft_wrap=True)
    if result.phase is not None:
        out.print(_phase(result), soft_wrap=True)
    if result.every_q is not None:
        out.print(f"every q from {result.every_q[0]:g} to {result.every_q[1]:g} is a fixed point", soft_wrap=True)
    for point in result.fixed_points:
        _print_point(out, point)
    if result.grows and result.fixed_points:
        largest = result.fixed_points[-1].q.value
        out.print(f"signals with q beyond {largest:.6g} grow without bound", soft_wrap=True)
    if result.trajectory:
        _print_trajectory(out, result)
    for note in result.notes:
        out.print(f"note: {note}", soft_wrap=True)


def _verdict(result: "MeanField") -> str:
    """Say what becomes of the signal."""
    from propstats.theory.mean_field.trajectory import Fate

    start = f"from q = {result.q0:g} the signal"
    at = f", in float32 at layer {result.layer}" if result.layer is not None else ""
    if result.fate is Fate.DIVERGES:
        return f"{start} grows without bound{at}" + ("" if result.fixed_points else ": there is no fixed point")
    if result.fate is Fate.VANISHES:
        return f"{start} vanishes{at}"
    if result.fate is Fate.STAYS:
        return f"{start} stays: every q is a fixed point"
    assert result.q_star is not None
    return f"{start} tends to q* = {result.q_star.value:.6g}"


def _phase(result: "MeanField") -> str:
    """Say what becomes of differences between inputs, and of gradients."""
    from propstats_cli.numbers import short

    assert result.chi_1 is not None
    if math.isinf(result.chi_1.value):
        return "chaotic phase: chi_1 is infinite, as the activation jumps"
    gradients = f"gradients x{short(math.sqrt(result.chi_1.value))} a layer"
    depth = "" if result.xi_c is None else f", correlations settle in xi_c = {short(result.xi_c.value)} layers"
    if result.xi_c is not None and math.isinf(result.xi_c.value):
        depth = ", correlations never settle exponentially"
    return f"{result.phase} phase: chi_1 = {result.chi_1.value:.6g}, {gradients}{depth}"


def _print_point(out: "Console", point: "FixedPoint") -> None:
    from rich.table import Table

    from propstats_cli.numbers import exact

    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in (f"q* = {point.q.value:.6g}, {point.stability.value}", "value", "route"):
        table.add_column(heading, no_wrap=True)
    rows: list[tuple[str, Estimate | Quantity]] = [("q*", point.q), ("chi_q", point.chi_q)]
    rows += [("xi_q", point.xi_q), ("chi_1", point.chi_1)]
    for own in point.correlations:
        rows += [(f"c* = {own.c.value:.4g}", own.c), ("  chi_c", own.chi_c), ("  xi_c", own.xi_c)]
    for name, number in rows:
        if not math.isnan(number.value):  # a fixed point that repels has no depth scale
            shown = "infinite" if math.isinf(number.value) else exact(number.value, number.error)
            table.add_row(name, shown, number.route.value.replace("_", " "))
    print_table(out, table)
    digits = [estimate.digits for estimate in point.q.routes.values() if estimate.digits]
    if digits:
        out.print(f"  proven: q* = {digits[0]}", soft_wrap=True)
    if point.keeps_correlations:
        out.print("  every correlation stays: the network is linear")


def _print_trajectory(out: "Console", result: "MeanField") -> None:
    from rich.table import Table

    from propstats_cli.numbers import exact

    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("layer", "q", "c"):
        table.add_column(heading, no_wrap=True)
    states = result.trajectory
    step = max(1, -(-(len(states) - 1) // _ROWS))
    for state in (*states[:-1:step], states[-1]):
        cells = ["beyond floats" if math.isinf(number.value) else exact(number.value, number.error)
                 for number in (state.q, state.c)]  # fmt: skip
        table.add_row(str(state.layer), *cells)
    print_table(out, table)
