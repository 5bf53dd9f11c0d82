"""`propstats dropout`."""

from typing import TYPE_CHECKING, Annotated

import typer

from propstats.errors import DomainError
from propstats_cli import options
from propstats_cli.output import Answer

if TYPE_CHECKING:
    from rich.console import Console

    from propstats.theory.dropout import DropoutMoments


def dropout(
    kind: Annotated[str, typer.Option("--kind", help="inverted, unit, plain, feature or alpha.")] = "inverted",
    keep: Annotated[float | None, typer.Option("--keep", help="How likely a unit is kept; 0.5 if not given.")] = None,
    p: Annotated[float | None, typer.Option("--p", help="How likely it is dropped, as torch says: 1 - keep.")] = None,
    mean: options.Mean = 0.0,
    std: options.Std = 1.0,
    correlation: Annotated[
        float, typer.Option("--correlation", help="Correlation of two positions of the input.")
    ] = 0.0,
    rectified: options.Rectified = False,
    digits: options.ProvenDigits = 30,
    samples: Annotated[int, typer.Option("--samples", help="Samples to draw; 0 leaves sampling out.")] = 1_000_000,
    seed: options.Seed = 0,
    device: options.Device = "cpu",
    plot: options.Plot = None,
    json: options.Json = False,
) -> Answer:
    """What dropout does to signal and gradient.

    inverted divides what is kept by q (torch), unit by sqrt(q), plain by nothing; feature is inverted with one mask
    for all positions of a channel; alpha is SELU's. Exit code 1 if the routes disagree.

    \b
    Examples:
      propstats dropout --keep 0.8 --rectified
      propstats dropout --kind unit --keep 0.5
      propstats dropout --kind feature --keep 0.9 --mean 1 --correlation 0.5 --json
    """
    from propstats.theory.dropout import dropout as compute

    if keep is not None and p is not None:
        raise DomainError("--keep and --p say the same", "give one of them")
    if keep is None:
        keep = 0.5 if p is None else 1.0 - p
    result = compute(
        kind,
        keep=keep,
        mean=mean,
        std=std,
        correlation=correlation,
        rectified=rectified,
        digits=digits or None,
        samples=samples,
        seed=seed,
        device=device,
    )
    return Answer("dropout", result, result.agree, json, lambda out: _render(out, result), plot)


def _render(out: "Console", result: "DropoutMoments") -> None:
    from propstats_cli.quantities import print_proven_digits, print_quantities

    law = f"N({result.input.mean:g}, {result.input.std:g}^2)"
    inputs = f"max(0, {law})" if result.input.rectified else law
    out.print(
        f"{result.kind} dropout, kept with probability {result.keep:g}, then times {result.scale.value:.6g}; inputs "
        f"{inputs}, two of them with correlation {result.input.correlation:g}",
        soft_wrap=True,
    )
    shown = {
        "gradient std" if name == "backward.std" else name.partition(".")[2]: quantity
        for name, quantity in result.quantities().items()
    }
    print_quantities(out, shown)
    print_proven_digits(out, shown)
    for note in result.notes:
        out.print(f"note: {note}", soft_wrap=True)
    if result.samples:
        out.print(f"sampling: {result.samples:,} samples, seed {result.seed}, ± one standard error", soft_wrap=True)
    out.print("closed form, quadrature: ± a bound on the error", soft_wrap=True)
    forms = {name: quantity.formula for name, quantity in shown.items() if quantity.formula}
    out.print("closed forms")
    for name, formula in forms.items():
        out.print(f"  {name} = {formula}", soft_wrap=True)
