"""`propstats hermite`."""

from typing import TYPE_CHECKING, Annotated

import typer

from propstats_cli import options
from propstats_cli.output import Answer
from propstats_cli.quantities import print_proven_digits, print_quantities

if TYPE_CHECKING:
    from rich.console import Console

    from propstats.theory.hermite import HermiteSpectrum


def hermite(
    act: options.Act = None,
    expr: options.Expr = None,
    a: options.A = None,
    param: options.Param = None,
    mean: options.Mean = 0.0,
    std: options.Std = 1.0,
    degree: Annotated[int, typer.Option("--degree", help="The highest degree.")] = 8,
    digits: options.ProvenDigits = 30,
    plot: options.Plot = None,
    json: options.Json = False,
) -> Answer:
    """Hermite spectrum: of which degrees an activation is made.

    The mean degree is what a layer that keeps its variance multiplies a gradient's mean square by; what is not of
    degree 1 is not linear. Exit code 1 if routes disagree.

    \b
    Examples:
      propstats hermite --act relu
      propstats hermite --act gelu --mean 0.5 --degree 12
    """
    from propstats.theory.hermite import hermite as compute

    result = compute(options.unit(act, expr, param, a), mean=mean, std=std, degree=degree, digits=digits or None)
    return Answer("hermite", result, result.agree, json, lambda out: _render(out, result), plot)


def _render(out: "Console", result: "HermiteSpectrum") -> None:
    given = "".join(f" {name}={value:g}" for name, value in result.params.items())
    out.print(f"{result.activation}{given}, x ~ N({result.input.mean:g}, {result.input.std:g}^2)", soft_wrap=True)
    shown = {
        f"a_{term.degree}" + ("" if term.share is None else f" ({term.share:.2%})"): term.coefficient
        for term in result.terms
    }
    print_quantities(out, shown)
    print_proven_digits(out, {name.partition(" ")[0]: quantity for name, quantity in shown.items()})
    for note in result.notes:
        out.print(f"note: {note}", soft_wrap=True)
    out.print(
        f"in brackets: shares of the variance {result.var.value:.12g}; together {result.covered:.4%}", soft_wrap=True
    )
    out.print(
        f"mean degree {result.mean_degree.value:.12g}: what a layer that keeps its variance multiplies a gradient's "
        "mean square by",
        soft_wrap=True,
    )
