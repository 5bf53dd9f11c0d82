"""Quantities known by several routes, side by side."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from propstats.estimate import Quantity, Route
from propstats_cli.numbers import exact, sampled
from propstats_cli.output import print_table

if TYPE_CHECKING:
    from rich.console import Console


def shown_routes(quantities: Mapping[str, Quantity]) -> list[Route]:
    """Return the routes that get a column: all but the certified one, where some quantity knows them."""
    routes = (Route.CLOSED_FORM, Route.QUADRATURE, Route.SAMPLING)
    return [route for route in routes if any(route in quantity.routes for quantity in quantities.values())]


def print_quantities(out: "Console", quantities: Mapping[str, Quantity]) -> None:
    """Print quantities by closed form, quadrature and sampling, and whether they agree.

    In a narrow terminal the routes stand one below the other.

    Args:
        out: Where to print.
        quantities: The quantities, by what they are called.
    """
    from rich.table import Table

    shown = shown_routes(quantities)
    side_by_side = out.width >= 34 + 24 * len(shown)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("quantity", *(route.replace("_", " ") for route in shown), "agree"):
        table.add_column(heading, no_wrap=True)
    for label, quantity in quantities.items():
        cells = {route: _cell(quantity, route) for route in shown}
        agree = "yes" if quantity.agree else "NO"
        if side_by_side:
            table.add_row(label, *cells.values(), agree)
        else:
            out.print(f"{label} (agree: {agree})")
            for route, cell in cells.items():
                out.print(f"  {route.replace('_', ' '):11} {cell}", soft_wrap=True)
    if side_by_side:
        print_table(out, table)


def _cell(quantity: Quantity, route: Route) -> str:
    estimate = quantity.routes.get(route)
    if estimate is None:
        return "-"
    return sampled(estimate) if route is Route.SAMPLING else exact(estimate.value, estimate.error)


def print_proven_digits(out: "Console", quantities: Mapping[str, Quantity]) -> None:
    """Print the proven digits of those quantities that have some."""
    proven = {name: e for name, q in quantities.items() if (e := q.routes.get(Route.CERTIFIED)) is not None}
    lines = {name: e.digits or ("undefined" if not e.is_defined else None) for name, e in proven.items()}
    if any(lines.values()):
        out.print("proven digits")
        for name, digits in lines.items():
            if digits:
                out.print(f"  {name} = {digits}", soft_wrap=True)
