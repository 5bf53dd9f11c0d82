"""Quantities by their routes, as a table."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from propstats_cli.output import print_table

if TYPE_CHECKING:
    from rich.console import Console

    from propstats.estimate import Quantity, Route


def print_quantities(out: "Console", quantities: "Mapping[str, Quantity]") -> None:
    """Print what each route but the certified one found, side by side, or below each other where it is narrow."""
    from rich.table import Table

    from propstats.estimate import Route

    shown = [
        route
        for route in (Route.CLOSED_FORM, Route.QUADRATURE, Route.SAMPLING)
        if any(route in quantity.routes for quantity in quantities.values())
    ]
    side_by_side = out.width >= 34 + 24 * len(shown)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("quantity", *(route.replace("_", " ") for route in shown), "agree"):
        table.add_column(heading, no_wrap=True)
    for name, quantity in quantities.items():
        cells = {route: _cell(quantity, route) for route in shown}
        agree = "yes" if quantity.agree else "NO"
        if side_by_side:
            table.add_row(name, *cells.values(), agree)
        else:
            out.print(f"{name} (agree: {agree})")
            for route, cell in cells.items():
                out.print(f"  {route.replace('_', ' '):11} {cell}", soft_wrap=True)
    if side_by_side:
        print_table(out, table)


def _cell(quantity: "Quantity", route: "Route") -> str:
    from propstats.estimate import Route
    from propstats_cli.numbers import exact, sampled

    estimate = quantity.routes.get(route)
    if estimate is None:
        return "-"
    return sampled(estimate) if route is Route.SAMPLING else exact(estimate.value, estimate.error)
