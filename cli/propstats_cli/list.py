"""`propstats list`."""

from typing import TYPE_CHECKING, Annotated

import typer

from propstats_cli import options
from propstats_cli.output import Answer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.console import Console

    from propstats.handbook.catalogue import Listed


def list_(
    kind: Annotated[
        str | None,
        typer.Argument(help="activations, schemes, layers, data, findings, quantities, ...; all without."),
    ] = None,
    json: options.Json = False,
) -> Answer:
    """What propstats knows.

    Activations, weight schemes, layer rules, data sets, findings, quantities, constants, claims, lessons, experiments.

    \b
    Examples:
      propstats list
      propstats list schemes
    """
    from propstats.handbook.catalogue import catalogue

    found = catalogue(kind)
    return Answer("list", found, True, json, lambda out: _render(out, found, whole=kind is not None))


def _render(out: "Console", found: "Mapping[str, tuple[Listed, ...]]", *, whole: bool) -> None:
    from rich.markup import escape

    for kind, entries in found.items():
        if whole:
            width = max(len(entry.name) for entry in entries)
            for entry in entries:
                out.print(f"[bold]{escape(entry.name):{width}}[/]  {escape(entry.about)}".rstrip(), soft_wrap=True)
        else:
            names = ", ".join(entry.name for entry in entries[:6])
            more = f" ... `propstats list {kind}`" if len(entries) > 6 else ""
            out.print(f"[bold]{kind:12}[/]{len(entries):4}  {escape(names)}{more}", soft_wrap=True)
