"""`propstats jacobian`."""

import math
from typing import TYPE_CHECKING, Annotated

import typer

from propstats.errors import DomainError
from propstats_cli import options
from propstats_cli.output import Answer, print_table

if TYPE_CHECKING:
    from rich.console import Console

    from propstats.simulation.jacobian import JacobianSpectrum


def jacobian(
    depth: options.Depth = 9,
    act: options.Act = None,
    expr: options.Expr = None,
    a: options.A = None,
    param: options.Param = None,
    width: options.Width = 256,
    widths: Annotated[
        str | None,
        typer.Option("--widths", metavar="N,N,...", help="Units of the input and of each layer, where they differ."),
    ] = None,
    scheme: Annotated[
        str,
        typer.Option("--scheme", help="Weights: normprop, he, orthogonal, ...: see propstats scales."),
    ] = "normprop",
    gamma: Annotated[
        str | None,
        typer.Option("--gamma", help="NormProp's scale: jacobian (exactly 1/J, the default), 1 or a number."),
    ] = None,
    beta: Annotated[float, typer.Option("--beta", help="NormProp's bias.")] = 0.0,
    sigma_w: Annotated[
        float | None, typer.Option("--sigma-w", help="Std of the weights times sqrt(fan_in), instead of the scheme's.")
    ] = None,
    sigma_b: Annotated[
        float | None, typer.Option("--sigma-b", help="Std of the biases, instead of the scheme's.")
    ] = None,
    draws: Annotated[int, typer.Option("--draws", help="Random networks to draw.")] = 100,
    seed: options.Seed = 0,
    device: options.Device = "cpu",
    precision: Annotated[
        str, typer.Option("--precision", help="float32, float64 or accurate (down to the smallest singular values).")
    ] = "float64",
    plot: options.Plot = None,
    json: options.Json = False,
) -> Answer:
    """Jacobian of a deep network: theory and simulation.

    The singular values of the end-to-end Jacobian of a random network (of ReLUs unless --act or --expr says
    otherwise), by free probability and by drawing networks.
    Exit code 1 if they disagree.

    \b
    Examples:
      propstats jacobian --depth 9
      propstats jacobian --depth 30 --act tanh --scheme orthogonal --width 128 --plot spectrum.png
      propstats jacobian --widths 784,512,512,10 --scheme he
      torchrun --nproc-per-node 4 -m propstats jacobian --depth 50 --draws 10000
    """
    from propstats.simulation.jacobian import jacobian as compute
    from propstats_cli.progress import counting

    with counting("drawing networks", draws) as advance:
        result = compute(
            options.unit(act, expr, param, a, default="relu"),
            depth=depth,
            width=width,
            widths=None if widths is None else _widths(widths),
            scheme=scheme,
            gamma=gamma,
            beta=beta,
            sigma_w=sigma_w,
            sigma_b=sigma_b,
            draws=draws,
            seed=seed,
            device=device,
            precision=precision,
            progress=advance,
        )
    return Answer("jacobian", result, result.agree, json, lambda out: _render(out, result), plot)


def _widths(text: str) -> list[int]:
    try:
        return [int(width) for width in text.split(",")]
    except ValueError:
        raise DomainError(f"--widths takes whole numbers with commas between them, got {text!r}") from None


def _render(out: "Console", result: "JacobianSpectrum") -> None:
    from rich.table import Table

    from propstats_cli.numbers import sampled, short
    from propstats_cli.sparkline import print_profile

    scale = f", gamma {result.gamma:.6g}, beta {result.beta:g}" if result.scheme == "normprop" else ""
    biases = f", biases of std {result.sigma_b:g}" if result.sigma_b else ""
    shape = f"width {result.width}" if result.width else "widths " + ", ".join(map(str, result.widths))
    given = "".join(f" {name}={value:g}" for name, value in result.params.items())
    out.print(
        f"{result.scheme} network of {result.depth} layers, {result.activation}{given}, {shape}{scale}{biases}; "
        f"{result.draws} draws, seed {result.seed}",
        soft_wrap=True,
    )
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("singular values", "theory", "finite-width error", "simulation", "z"):
        table.add_column(heading, no_wrap=True)
    for name, z in result.z().items():
        theory, simulation = getattr(result.theory, name), getattr(result.simulation, name)
        error = "-" if theory.error <= 1e-9 * abs(theory.value) + 1e-12 else f"±{theory.error:.2g}"
        distance = f"{z:+.1f}" if math.isfinite(z) else "-"
        table.add_row(name.replace("_", " "), f"{theory.value:.6g}", error, sampled(simulation), distance)
    print_table(out, table)
    out.print("z: standard errors between theory and simulation, beyond the finite-width error", soft_wrap=True)
    bins = result.histogram
    for route, density in (("theory", bins.theory), ("simulated", bins.simulation)):
        print_profile(out, route, density, f"density of singular values from 0 to {bins.edges[-1]:.3g}")
    last = result.signal[-1]
    out.print(
        f"signal: second moment {short(result.signal[0].theory)} in, {short(last.theory)} after layer {last.layer} "
        f"by theory, {sampled(last.simulation)} simulated",
        soft_wrap=True,
    )
    out.print("theory and simulation agree" if result.agree else "theory and simulation DISAGREE")
