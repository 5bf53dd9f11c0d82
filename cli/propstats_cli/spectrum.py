"""`propstats spectrum`."""

from typing import TYPE_CHECKING, Annotated

import typer

from propstats_cli import options
from propstats_cli.output import Answer, print_table

if TYPE_CHECKING:
    from rich.console import Console

    from propstats.auditing.spectrum import MeasuredSpectrum


def spectrum(
    model: Annotated[str, typer.Argument(help="A pickled module of torch.nn classes, a state_dict or safetensors.")],
    data: options.Data = "digits",
    inputs: Annotated[int, typer.Option("--inputs", help="Samples at which to measure.")] = 16,
    top: Annotated[int, typer.Option("--top", help="How many of the largest singular values.")] = 10,
    arch: options.Arch = None,
    allow: options.Allow = None,
    class_: options.Class = None,
    key: options.Key = None,
    partial: options.Partial = False,
    trust: options.Trust = False,
    no_verify: options.NoVerify = False,
    normalize: options.Normalize = None,
    data_dir: options.DataDir = None,
    offline: options.Offline = False,
    seed: options.Seed = 0,
    plot: options.Plot = None,
    json: options.Json = False,
) -> Answer:
    """Jacobian of a real network of any size.

    The singular values of the input-output Jacobian at samples of data: the largest ones, the mean square and the
    density. The Jacobian is never formed unless it is small; the file is loaded without executing anything in it.

    \b
    Examples:
      propstats spectrum model.pt --data digits
      propstats spectrum weights.safetensors --arch mypackage.models:make --data images.npy --top 20 --inputs 4
    """
    from propstats.auditing.spectrum import spectrum as measure
    from propstats_cli.progress import bars

    with bars() as show:
        result = measure(
            model,
            data,
            inputs=inputs,
            top=top,
            access=options.access(arch, allow, class_, partial, trust, no_verify, key),
            normalize=normalize,
            places=options.places(data_dir, offline),
            seed=seed,
            progress=lambda done, total: show("largest singular values", done, total),
        )
    return Answer("spectrum", result, True, json, lambda out: _render(out, result), plot)


def _render(out: "Console", result: "MeasuredSpectrum") -> None:
    from rich.markup import escape
    from rich.table import Table

    from propstats_cli.numbers import sampled
    from propstats_cli.sparkline import print_profile

    model, data = result.model, result.data
    name = escape(model.path or "in memory")
    out.print(f"model  {name}: {model.format}, {model.parameters:,} parameters", soft_wrap=True)
    out.print(
        f"data   {escape(data.name)}: {result.inputs} of {data.samples:,} samples, seed {result.seed}; "
        f"Jacobian of {result.rows:,} outputs by {result.columns:,} inputs",
        soft_wrap=True,
    )
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("singular values", no_wrap=True)
    table.add_column("measured", no_wrap=True)
    table.add_row("mean square", sampled(result.mean_square))
    table.add_row("normalised variance", sampled(result.normalised_variance))
    for rank, value in enumerate(result.top, 1):
        table.add_row("max" if rank == 1 else f"number {rank}", sampled(value))
    print_table(out, table)
    bins = result.histogram
    print_profile(out, "density", bins.density, f"singular values from 0 to {bins.edges[-1]:.3g}")
    accuracy = f", each within {result.residual:.0e} of the largest" if result.residual else ""
    out.print(f"means over {result.inputs} inputs ± one standard error{accuracy}", soft_wrap=True)
