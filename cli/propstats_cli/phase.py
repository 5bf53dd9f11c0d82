"""`propstats phase`."""

from typing import TYPE_CHECKING, Annotated

import typer

from propstats_cli import options
from propstats_cli.output import Answer, print_table

if TYPE_CHECKING:
    from rich.console import Console

    from propstats.theory.mean_field.critical import CriticalPoint
    from propstats.theory.mean_field.phase import PhaseDiagram


def phase(
    act: options.Act = None,
    expr: options.Expr = None,
    a: options.A = None,
    param: options.Param = None,
    sigma_w_max: Annotated[float, typer.Option("--sigma-w-max", help="Largest weights, times sqrt(fan_in).")] = 3.0,
    sigma_b_max: Annotated[float, typer.Option("--sigma-b-max", help="Largest biases.")] = 1.0,
    beta: options.Beta = 0.0,
    q0: options.Q0 = 1.0,
    points: Annotated[int, typer.Option("--points", help="Rows and columns of the diagram.")] = 121,
    plot: options.Plot = None,
    json: options.Json = False,
) -> Answer:
    """Phase diagram over all weights and biases.

    The critical line, on which gradients neither vanish nor explode, the ordered and the chaotic phase with how deep
    signals travel in them, and where there is no fixed point or more than one.

    \b
    Examples:
      propstats phase --act tanh --plot tanh.png
      propstats phase --act selu --sigma-w-max 2 --json
    """
    from propstats.theory.mean_field.phase import phase as compute

    result = compute(
        options.unit(act, expr, param, a),
        sigma_w_max=sigma_w_max,
        sigma_b_max=sigma_b_max,
        beta=beta,
        q0=q0,
        points=points,
    )
    return Answer("phase", result, True, json, lambda out: _render(out, result), plot)


def _render(out: "Console", result: "PhaseDiagram") -> None:
    from rich.table import Table

    given = "".join(f" {name}={value:g}" for name, value in result.params.items())
    mean = f", beta {result.beta:g}" if result.beta else ""
    plane = f"sigma_w up to {result.sigma_w[-1]:g}, sigma_b up to {result.sigma_b[-1]:g}{mean}"
    out.print(f"{result.activation}{given}: {plane}; signals from q = {result.q0:g}", soft_wrap=True)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("sigma_b", "critical sigma_w", "with q*"):
        table.add_column(heading, no_wrap=True)
    for row in result.critical:
        # A homogeneous activation is critical at one point, whatever q.
        table.add_row(
            f"{row.sigma_b:g}",
            ", ".join(f"{point.sigma_w:.6g}" for point in row.points) or "none",
            "any" if _is_one_point(result) and row.points else ", ".join(map(_q, row.points)),
        )
    print_table(out, table)
    shares = result.shares
    for share, text in (
        (shares.ordered, "ordered: inputs become the same, gradients vanish"),
        (shares.chaotic, "chaotic: inputs part, gradients explode"),
        (shares.vanishing, "the signal vanishes"),
        (shares.none, "the signal reaches no fixed point and explodes"),
        (shares.several, "several fixed points: where the signal starts decides"),
    ):
        if share > 0.0:
            out.print(f"{share:6.1%} of the diagram  {text}", soft_wrap=True)


def _q(point: "CriticalPoint") -> str:
    return f"{point.q:.6g}"


def _is_one_point(result: "PhaseDiagram") -> bool:
    return len(result.line) == 1 and len(result.line[0]) == 1
