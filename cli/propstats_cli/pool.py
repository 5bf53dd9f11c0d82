"""`propstats pool`."""

from typing import TYPE_CHECKING, Annotated

import typer

from propstats.errors import DomainError
from propstats_cli import options
from propstats_cli.output import Answer

if TYPE_CHECKING:
    from rich.console import Console

    from propstats.theory.pooling.records import PoolMoments

#: So many positions are listed.
_LISTED = 16


def pool(
    kind: Annotated[
        str,
        typer.Option("--kind", help="average, max, lp, global_average, global_max, adaptive_average or adaptive_max."),
    ] = "max",
    kernel: Annotated[str | None, typer.Option("--kernel", help="Window: 3 (for 3x3), 3x2, 2x3x3.")] = None,
    stride: Annotated[
        str | None, typer.Option("--stride", help="Step between windows; the kernel, if left out.")
    ] = None,
    padding: Annotated[str, typer.Option("--padding", help="Padding on both sides.")] = "0",
    dilation: Annotated[str, typer.Option("--dilation", help="Step within a window, of max pooling.")] = "1",
    dims: Annotated[int | None, typer.Option("--dims", help="Dimensions: 1, 2 or 3; 2 if nothing says more.")] = None,
    size: Annotated[
        str | None, typer.Option("--size", help="Size of the input, to count the borders; else the interior.")
    ] = None,
    output_size: Annotated[str | None, typer.Option("--output-size", help="Output of adaptive pooling.")] = None,
    ceil_mode: Annotated[bool, typer.Option("--ceil-mode", help="A last window may run over the end.")] = False,
    exclude_pad: Annotated[
        bool, typer.Option("--exclude-pad", help="Averages do not count padding (count_include_pad=False).")
    ] = False,
    power: Annotated[float | None, typer.Option("--power", help="p of lp pooling, (sum x^p)^(1/p); 2.")] = None,
    mean: options.Mean = 0.0,
    std: options.Std = 1.0,
    correlation: Annotated[
        float, typer.Option("--correlation", help="Correlation of any two inputs of a window.")
    ] = 0.0,
    rectified: options.Rectified = False,
    digits: options.ProvenDigits = 30,
    samples: Annotated[int, typer.Option("--samples", help="Windows to draw; 0 leaves sampling out.")] = 100_000,
    seed: options.Seed = 0,
    device: options.Device = "cpu",
    plot: options.Plot = None,
    json: options.Json = False,
) -> Answer:
    """What pooling does to signal and gradient.

    Mean and standard deviation of the output for Gaussian or rectified inputs, independent or equally correlated; and
    of the gradient of each input for unit gradients of the outputs, by position where windows overlap. Exit code 1 if
    the routes disagree.

    \b
    Examples:
      propstats pool --kind max --kernel 3 --stride 2
      propstats pool --kind average --kernel 3 --padding 1 --size 32 --correlation 0.5
      propstats pool --kind max --kernel 2 --rectified --json
      propstats pool --kind adaptive_average --size 14 --output-size 4 --dims 1
    """
    from propstats.theory.pooling.pool import pool as compute

    result = compute(
        kind,
        _sizes("kernel", kernel),
        stride=_sizes("stride", stride),
        padding=_sizes("padding", padding) or 0,
        dilation=_sizes("dilation", dilation) or 1,
        ceil_mode=ceil_mode,
        count_include_pad=not exclude_pad,
        power=power,
        size=_sizes("size", size),
        output_size=_sizes("output-size", output_size),
        dims=dims,
        mean=mean,
        std=std,
        correlation=correlation,
        rectified=rectified,
        digits=digits or None,
        samples=samples,
        seed=seed,
        device=device,
    )
    return Answer("pool", result, result.agree, json, lambda out: _render(out, result), plot)


def _sizes(option: str, text: str | None) -> int | tuple[int, ...] | None:
    """Read `3` or `3x2`."""
    if text is None:
        return None
    try:
        numbers = tuple(int(part) for part in text.lower().replace("×", "x").split("x"))
    except ValueError:
        raise DomainError(f"--{option} takes whole numbers, got {text!r}", "for example 3 or 3x2") from None
    return numbers[0] if len(numbers) == 1 else numbers


def _by(numbers: tuple[int, ...]) -> str:
    return "x".join(map(str, numbers))


def _heading(result: "PoolMoments") -> str:
    words = [result.kind.replace("_", " ") + " pooling" + (f", p = {result.power:g}" if result.power else "")]
    if result.kernel is not None and result.stride is not None:
        words.append(f"kernel {_by(result.kernel)}, stride {_by(result.stride)}")
        words += [f"padding {_by(result.padding)}"] if any(result.padding) else []
        words += [f"dilation {_by(result.dilation)}"] if any(step > 1 for step in result.dilation) else []
    words.append(f"input {_by(result.size)}" if result.size else "interior")
    if result.output_size and result.kernel is None:
        words.append(f"output {_by(result.output_size)}")
    law = f"N({result.input.mean:g}, {result.input.std:g}^2)"
    words.append(f"inputs max(0, {law})" if result.input.rectified else f"inputs {law}")
    words.append(f"correlation {result.correlation:g}" if result.correlation else "independent")
    return ", ".join(words)


def _render(out: "Console", result: "PoolMoments") -> None:
    from propstats_cli.quantities import print_proven_digits, print_quantities

    out.print(_heading(result), soft_wrap=True)
    shown = {
        name.replace("forward.", "").replace("backward.", "gradient "): quantity
        for name, quantity in result.quantities().items()
        if "[" not in name
    }
    print_quantities(out, shown)
    print_proven_digits(out, shown)
    _render_positions(out, result)
    if len(result.windows) > 1:
        counted = ", ".join(
            f"{w.count} of {w.inputs}" + ("" if w.divisor in (None, w.inputs) else f" divided by {w.divisor:g}")
            for w in result.windows
        )
        out.print(f"windows: {counted} inputs; output: mean over all windows", soft_wrap=True)
    for note in result.notes:
        out.print(f"note: {note}", soft_wrap=True)
    out.print("gradient: of an input, for dy ~ N(0, 1) at each output, independent; root mean square", soft_wrap=True)
    if result.samples:
        out.print(f"sampling: {result.samples:,} windows, seed {result.seed}, ± one standard error", soft_wrap=True)
    out.print("closed form, quadrature: ± a bound on the error", soft_wrap=True)
    forms = {name: quantity.formula for name, quantity in shown.items() if quantity.formula}
    if forms:
        out.print("closed forms")
        for name, formula in forms.items():
            out.print(f"  {name} = {formula}", soft_wrap=True)


def _render_positions(out: "Console", result: "PoolMoments") -> None:
    """Print the gradient by position, with its closed form where there is one."""
    entries = result.backward.std_by_position
    if len(entries) == 1:
        return
    where = "of the input" if result.size else "within a stride"
    out.print(f"gradient std by position {where}")
    for entry in entries[:_LISTED]:
        formula = f" = {entry.std.formula}" if entry.std.formula else ""
        agree = "" if entry.std.agree else "  routes DISAGREE"
        times = f"  ({entry.count} positions)" if entry.count > 1 else ""
        out.print(f"  {_by(entry.position):>7}  {entry.std.value:.12g}{formula}{times}{agree}", soft_wrap=True)
    if len(entries) > _LISTED:
        out.print(f"  and {len(entries) - _LISTED} more; --json has all", soft_wrap=True)
