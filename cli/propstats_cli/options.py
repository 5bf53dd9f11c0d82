"""Options that several commands share."""

from typing import Annotated

import typer

from propstats.errors import DomainError


def complete_activation(incomplete: str) -> list[str]:
    """Complete the name of an activation."""
    from propstats.activations import activation_names

    return [name for name in activation_names() if name.startswith(incomplete)]


Act = Annotated[
    str, typer.Option("--act", help="Activation: relu, prelu, gelu, tanh, ...", autocompletion=complete_activation)
]
Param = Annotated[
    list[str] | None,
    typer.Option("--param", metavar="NAME=VALUE", help="Parameter of the activation, as torch names it; repeatable."),
]
A = Annotated[float | None, typer.Option("--a", help="Short for --param a=VALUE.")]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Seed of everything random.")]
Device = Annotated[str, typer.Option("--device", help="cpu, cuda or auto.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
Normalize = Annotated[
    str | None, typer.Option("--normalize", help="none, global or feature; by default what the data set is used with.")
]
Arch = Annotated[
    str | None,
    typer.Option("--arch", metavar="MODULE:FACTORY", help="Your function that builds the network, for weights alone."),
]


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
