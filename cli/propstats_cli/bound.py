"""`propstats bound`."""

from typing import TYPE_CHECKING, Annotated

import typer

from propstats_cli import options
from propstats_cli.output import Answer, print_table

if TYPE_CHECKING:
    from rich.console import Console

    from propstats.auditing.bound import BoundReport
    from propstats.auditing.covariance import MeasuredCovariance


def bound(
    file: Annotated[str, typer.Argument(help="A .npy array, a state_dict, safetensors, or a pickled module.")],
    data: Annotated[str | None, typer.Option("--data", help="Real inputs for the first layer: as for audit.")] = None,
    normalize: options.Normalize = None,
    data_dir: options.DataDir = None,
    offline: options.Offline = False,
    arch: options.Arch = None,
    allow: options.Allow = None,
    class_: options.Class = None,
    key: options.Key = None,
    partial: options.Partial = False,
    trust: options.Trust = False,
    no_verify: options.NoVerify = False,
    std: Annotated[float, typer.Option("--std", help="Standard deviation of uncorrelated inputs.")] = 1.0,
    plot: options.Plot = None,
    json: options.Json = False,
) -> Answer:
    """How far the units of each layer are from uncorrelated.

    Proposition 1 of Normalization Propagation, for every weight of a file: the coherence of its rows (a filter is a
    row), the canonical error bound, the exact error that it bounds, and their ratio. With --data, the covariance that
    the first layer really has: neighbouring pixels are correlated. The file is read without executing anything in it.

    \b
    Examples:
      propstats bound weights.npy
      propstats bound model.pt --data digits
    """
    from propstats.auditing.bound import bound as compute
    from propstats_cli.progress import bars

    with bars() as show:
        result = compute(
            file,
            std=std,
            data=data,
            normalize=normalize,
            places=options.places(data_dir, offline),
            access=options.access(arch, allow, class_, partial, trust, no_verify, key),
            progress=lambda done, total: show("weights", done, total),
        )
    return Answer("bound", result, True, json, lambda out: _render(out, result), plot)


def _render(out: "Console", result: "BoundReport") -> None:
    from rich.markup import escape
    from rich.table import Table

    from propstats_cli.numbers import short

    model = result.model
    out.print(f"file   {escape(model.path or '')}: {model.format}, {model.parameters:,} parameters", soft_wrap=True)
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("weight", no_wrap=True)
    table.add_column("type", no_wrap=True)
    for heading in ("units", "inputs", "coherence", "least", "diagonal", "off", "bound", "ratio"):
        table.add_column(heading, justify="right", no_wrap=True)
    for weight in result.weights:
        c = weight.canonical
        numbers = (
            c.coherence.value,
            c.least_coherence,
            c.diagonal.value,
            c.off_diagonal.value,
            c.canonical_error_bound.value,
        )
        ratio = short(c.ratio.value) if c.ratio.is_defined else "-"
        table.add_row(
            escape(weight.name), weight.type, str(c.rows), str(c.columns), *(short(n) for n in numbers), ratio
        )
    print_table(out, table)
    out.print(
        f"coherence: largest |cos| of two units' weights (least: no matrix of this shape has less); for uncorrelated "
        f"inputs of std {result.std:g}, Frobenius norms of the covariance's diagonal, of what is off it, and of "
        f"Proposition 1's bound on that",
        soft_wrap=True,
    )
    each = [weight.canonical for weight in result.weights if weight.canonical.canonical_error_bound.value > 0]
    if each:
        worst = max(c.off_diagonal.error / c.canonical_error_bound.value for c in each)
        out.print(f"errors: rounding, at most {worst:.0e} of the bound".replace("e-0", "e-"), soft_wrap=True)
    for weight in result.weights:
        if weight.canonical.zero_rows:
            zeros = f"{weight.canonical.zero_rows} of {weight.canonical.rows} units have no weights"
            out.print(f"note: {escape(weight.name)}: {zeros}, and count in neither side", soft_wrap=True)
    for note in result.notes:
        out.print(f"note: {note}", soft_wrap=True)
    for skipped in result.skipped:
        out.print(f"skipped {escape(skipped.name)}: {escape(skipped.reason)}", soft_wrap=True)
    if result.first is not None and result.data is not None:
        shape = "x".join(map(str, result.data.shape))
        out.print(
            f"data   {escape(result.data.name)}: {result.data.samples:,} samples of {shape}, "
            f"normalised: {result.data.normalization}",
            soft_wrap=True,
        )
        _render_data(out, result.first)


def _render_data(out: "Console", first: "MeasuredCovariance") -> None:
    from rich.markup import escape

    from propstats_cli.numbers import sampled, short

    where = f", {first.positions} positions each" if first.positions > 1 else ""
    out.print(
        f"{escape(first.layer)} on these data{where}; inputs of variance {first.input_variance:.4g}", soft_wrap=True
    )
    out.print(f"  largest correlation of two units   {sampled(first.coherence)}", soft_wrap=True)
    out.print(f"  diagonal of the covariance         {sampled(first.diagonal)}", soft_wrap=True)
    out.print(f"  off the diagonal                   {sampled(first.off_diagonal)}", soft_wrap=True)
    bounded = first.canonical_error_bound.value
    out.print(
        f"  the same of uncorrelated inputs    {short(first.white.value)}, bounded by {short(bounded)}",
        soft_wrap=True,
    )
    if bounded > 0:
        share = first.off_diagonal.value / bounded
        out.print(f"  {share:.3g} times the bound, which holds for uncorrelated inputs alone", soft_wrap=True)
