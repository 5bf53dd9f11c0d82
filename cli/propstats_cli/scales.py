"""`propstats scales`."""

from typing import TYPE_CHECKING, Annotated

import typer

from propstats.errors import DomainError
from propstats_cli import options
from propstats_cli.output import Answer, print_table

if TYPE_CHECKING:
    from rich.console import Console

    from propstats.theory.weights.fans import Connections
    from propstats.theory.weights.scales import Terms, WeightScales

_SIZES = "one number, or one for each axis: 3x5"


def scales(
    act: options.Act = None,
    expr: options.Expr = None,
    a: options.A = None,
    param: options.Param = None,
    fan_in: Annotated[int | None, typer.Option("--fan-in", help="Inputs of a fully connected layer; 512.")] = None,
    fan_out: Annotated[int | None, typer.Option("--fan-out", help="Its outputs; as many as inputs.")] = None,
    kernel: Annotated[
        str | None, typer.Option("--kernel", metavar="SIZES", help=f"A convolution with this kernel; {_SIZES}.")
    ] = None,
    channels_in: Annotated[int, typer.Option("--channels-in", help="Its input channels.")] = 64,
    channels_out: Annotated[int | None, typer.Option("--channels-out", help="Its outputs; as many as inputs.")] = None,
    size: Annotated[str, typer.Option("--size", metavar="SIZES", help="Positions of its input.")] = "32",
    stride: Annotated[str, typer.Option("--stride", metavar="SIZES", help="Its stride.")] = "1",
    padding: Annotated[str, typer.Option("--padding", metavar="SIZES", help="Its padding; or same.")] = "0",
    dilation: Annotated[str, typer.Option("--dilation", metavar="SIZES", help="Its dilation.")] = "1",
    groups: Annotated[int, typer.Option("--groups", help="Its groups.")] = 1,
    dimensions: Annotated[int | None, typer.Option("--dims", help="Its axes; as many as sizes given, or 2.")] = None,
    mode: Annotated[
        str, typer.Option("--padding-mode", help="What its padding holds: zeros, reflect, replicate, circular.")
    ] = "zeros",
    transposed: Annotated[bool, typer.Option("--transposed", help="A transposed convolution.")] = False,
    depth: options.Depth = 50,
    std: Annotated[float, typer.Option("--std", help="Standard deviation of the first pre-activations.")] = 1.0,
    base_width: Annotated[
        int | None, typer.Option("--base-width", help="Width at which the learning rate was tuned, for muP's rules.")
    ] = None,
    plot: options.Plot = None,
    json: options.Json = False,
) -> Answer:
    """Weight schemes side by side, for an activation and a layer.

    What each does to the signal and to the gradient in one layer, what is left of both after many, which scheme
    fits the activation and why; if none does, which standard deviation would. Convolutions are counted term by term,
    with stride, padding, dilation and groups.

    \b
    Examples:
      propstats scales --act relu --fan-in 512 --depth 50
      propstats scales --act gelu --kernel 3 --stride 2 --padding 1 --channels-in 64 --channels-out 128
    """
    from propstats.theory.weights.scales import scales as compute

    unit = options.unit(act, expr, param, a)
    layer: Connections | None = None
    if kernel is not None:
        from propstats.theory.weights.convolution import convolution

        if fan_in is not None or fan_out is not None:
            raise DomainError("--kernel and --fan-in exclude each other", "give --channels-in and --channels-out")
        layer = convolution(
            channels_in,
            channels_in if channels_out is None else channels_out,
            size=_sizes("size", size),
            kernel=_sizes("kernel", kernel),
            stride=_sizes("stride", stride),
            padding=padding if padding in ("same", "valid") else _sizes("padding", padding),
            dilation=_sizes("dilation", dilation),
            groups=groups,
            dimensions=dimensions,
            mode=mode,
            transposed=transposed,
        )
    elif (stride, padding, dilation, groups, transposed, channels_out) != ("1", "0", "1", 1, False, None):
        raise DomainError("--kernel is missing: stride, padding, channels and the like belong to convolutions")
    result = compute(
        unit,
        layer,
        fan_in=512 if fan_in is None else fan_in,
        fan_out=fan_out,
        std=std,
        depth=depth,
        base_width=base_width,
    )
    return Answer("scales", result, True, json, lambda out: _render(out, result), plot)


def _sizes(name: str, text: str) -> int | tuple[int, ...]:
    parts = text.split("x")
    if not all(part.isascii() and part.isdigit() and len(part) < 10 for part in parts):
        raise DomainError(f"--{name} takes one number, or one for each axis, got {text!r}", f"for example --{name} 3x5")
    return int(text) if len(parts) == 1 else tuple(int(part) for part in parts)


def _render(out: "Console", result: "WeightScales") -> None:
    from rich.table import Table

    from propstats.theory.weights.advice import KEPT
    from propstats_cli.numbers import short

    given = "".join(f", {name} = {value:g}" for name, value in result.params.items())
    shape = "x".join(map(str, result.weight_shape))
    out.print(
        f"{result.activation}{given}, then weights of shape {shape}: fan_in {result.fan_in}, fan_out {result.fan_out}",
        soft_wrap=True,
    )
    if len(result.weight_shape) > 2:
        out.print(
            f"terms of an output {_terms(result.terms_in)}; of an input's gradient {_terms(result.terms_out)}",
            soft_wrap=True,
        )
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("scheme", no_wrap=True)
    left_of = (f"{name}@{result.depth}" for name in ("signal", "grad"))
    for heading in ("std", "signal", "var", "grad", *left_of):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("fits", no_wrap=True)
    for row in result.schemes:
        factors = (row.forward_factor, row.variance_factor, row.backward_factor)
        left = (row.forward_remaining, row.backward_remaining)
        table.add_row(
            row.name,
            f"{row.weight_std.value:.4g}",
            *(short(estimate.value) for estimate in (*factors, *left)),
            "yes" if row.fits else "",
        )
    print_table(out, table)
    out.print(
        "signal, var, grad: factors of the second moment, of the variance and of the gradient's mean square in a "
        f"layer, for pre-activations N(0, {result.std:g}^2); @{result.depth}: after {result.depth} layers; "
        f"fits: the roots of both stay within x{KEPT:g}",
        soft_wrap=True,
    )
    _render_errors(out, result)
    says = "-" if result.torch_gain is None else f"{result.torch_gain:.6g}"
    out.print(
        f"gain 1/sqrt(E[phi^2]) = {result.gain.value:.10g}; torch's calculate_gain: {says}",
        markup=False,
        soft_wrap=True,
    )
    for rule in result.width_rules:
        out.print(
            f"muP, {rule.kind} layers: std {rule.variance**0.5:.4g}, learning rate x{rule.sgd:.4g} for SGD, "
            f"x{rule.adam:.4g} for Adam",
            soft_wrap=True,
        )
    for note in result.notes:
        out.print(f"note: {note}", markup=False, soft_wrap=True)
    out.print(f"answer: {result.advice.why}", markup=False, soft_wrap=True)
    apart = result.advice.difference_remaining
    if apart.is_defined:
        kept = f"keep x{apart.value**0.5:.3g} of their difference over {result.depth} layers"
        out.print(f"with std {result.advice.std:.4g}, two independent inputs {kept}", soft_wrap=True)


def _terms(terms: "Terms") -> str:
    return str(terms.min) if terms.min == terms.max else f"{terms.min} to {terms.max}, {terms.mean:.6g} in the mean"


def _render_errors(out: "Console", result: "WeightScales") -> None:
    """Print one bound for all numbers of a kind: in the table they would crowd out what matters."""
    one = [row.forward_factor for row in result.schemes] + [row.backward_factor for row in result.schemes]
    left = [row.forward_remaining for row in result.schemes] + [row.backward_remaining for row in result.schemes]
    parts = []
    for name, estimates in (("in a layer", one), (f"after {result.depth}", left)):
        # What is next to the smallest float has no relative accuracy.
        relative = [e.error / abs(e.value) for e in estimates if e.is_defined and abs(e.value) > 1e-290]
        if relative:
            routes = " and ".join(sorted({e.route.replace("_", " ") for e in estimates}))
            parts.append(f"{name} {routes}, ±{max(relative):.0e} relative".replace("e-0", "e-"))
    out.print("errors: " + "; ".join(parts), soft_wrap=True)
