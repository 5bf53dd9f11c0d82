"""Options that several commands share."""

from typing import TYPE_CHECKING, Annotated

import typer

from propstats.errors import DomainError

if TYPE_CHECKING:
    from propstats.activations import Activation


def complete_activation(incomplete: str) -> list[str]:
    """Complete the name of an activation."""
    from propstats.activations import activation_names

    return [name for name in activation_names() if name.startswith(incomplete)]


Act = Annotated[
    str | None,
    typer.Option("--act", help="Activation: relu, prelu, gelu, tanh, ...", autocompletion=complete_activation),
]
Expr = Annotated[
    str | None,
    typer.Option("--expr", metavar="TEXT", help='Your own activation instead, in x: "x*tanh(log(1 + exp(a*x)))".'),
]
Param = Annotated[
    list[str] | None,
    typer.Option("--param", metavar="NAME=VALUE", help="Parameter of the activation, as torch names it; repeatable."),
]
A = Annotated[float | None, typer.Option("--a", help="Short for --param a=VALUE.")]
Depth = Annotated[int, typer.Option("--depth", help="Layers.")]
Width = Annotated[int, typer.Option("--width", help="Units per layer.")]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Seed of everything random.")]
Device = Annotated[str, typer.Option("--device", help="cpu, cuda or auto.")]
Digits = Annotated[int, typer.Option("--digits", min=1, max=1000, help="Digits that the certified route proves.")]
ProvenDigits = Annotated[
    int, typer.Option("--digits", min=0, max=1000, help="Digits to prove in ball arithmetic; 0 leaves that out.")
]
Mean = Annotated[float, typer.Option("--mean", help="Mean of the Gaussian input.")]
Std = Annotated[float, typer.Option("--std", help="Standard deviation of the Gaussian input.")]
Rectified = Annotated[bool, typer.Option("--rectified", help="The input passes a ReLU first.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
Normalize = Annotated[
    str | None, typer.Option("--normalize", help="none, global or feature; by default what the data set is used with.")
]
Arch = Annotated[
    str | None,
    typer.Option("--arch", metavar="MODULE:FACTORY", help="Your function that builds the network, for weights alone."),
]


def unit(
    act: str | None, expr: str | None, param: list[str] | None, a: float | None, default: str | None = None
) -> "Activation":
    """Return the activation that `--act` names or `--expr` writes out, with its parameters.

    Args:
        act: The value of `--act`.
        expr: The value of `--expr`.
        param: The values of `--param`.
        a: The value of `--a`.
        default: The name to take if there is neither `--act` nor `--expr`.

    Raises:
        DomainError: If there is neither or both.
        UnknownNameError: If the activation or a parameter is not known.
        ExpressionError: If the formula cannot be read.
    """
    from propstats.activations import activation, from_expression

    act = default if act is None and expr is None else act
    if (act is None) == (expr is None):
        what = "give --act or --expr" if act is None else "--act and --expr exclude each other"
        raise DomainError(what, 'for example --act gelu, or --expr "x*sigmoid(a*x)" --param a=1.7')
    values = parameters(param, a)
    return activation(act, **values) if act is not None else from_expression(expr or "", **values)


def parameters(param: list[str] | None, a: float | None) -> dict[str, float]:
    """Read `--param NAME=VALUE` and `--a VALUE`.

    Raises:
        DomainError: If one is not of that form, or given twice.
    """
    found: dict[str, float] = {} if a is None else {"a": a}
    for text in param or []:
        name, equals, value = text.partition("=")
        if not equals or not name.isidentifier():
            raise DomainError(f"--param takes NAME=VALUE, got {text!r}", "for example --param alpha=0.7")
        if name in found:
            raise DomainError(f"parameter {name} is given twice")
        try:
            found[name] = float(value)
        except ValueError:
            raise DomainError(f"parameter {name} must be a number, got {value!r}") from None
    return found
