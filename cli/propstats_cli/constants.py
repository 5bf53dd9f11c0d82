"""`propstats constants`."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from propstats.errors import DomainError
from propstats_cli import options
from propstats_cli.output import Answer

if TYPE_CHECKING:
    from rich.console import Console

    from propstats.published.constants import ConstantValue
    from propstats.published.drift import CheckedConstants


@dataclass(frozen=True, slots=True)
class _Listing:
    """What the command answers without a file to check."""

    constants: "tuple[ConstantValue, ...]"


def constants(
    match: Annotated[str, typer.Option("--match", metavar="TEXT", help="Only constants that contain this text.")] = "",
    digits: Annotated[
        int | None, typer.Option("--digits", min=1, max=900, help="Digits to prove; 30 if not given.")
    ] = None,
    check: Annotated[
        str | None, typer.Option("--check", metavar="FILE", help="Recompute the constants of a file, yours or ours.")
    ] = None,
    write: Annotated[
        str | None,
        typer.Option("--write", metavar="FILE", callback=options.output_file, help="Write all constants to a file."),
    ] = None,
    json: options.Json = False,
) -> Answer:
    """Constants of initialisers and normalisers.

    Every number is computed from its expression in ball arithmetic and correctly rounded. --check recomputes a file of
    constants, your own as well: TOML with schema = "propstats-constants/1" and, for each, [[constant]] with name,
    expression, value and digits. Expressions: numbers, functions, gain(relu), var(gelu, mu=0.5, s=2),
    expect("3*x*Phi(x)**2"), names defined before. Exit code 1 if one of them drifted.
    What takes longer than a minute is given up.

    \b
    Examples:
      propstats constants --match relu
      propstats constants --write constants.toml
      propstats constants --check constants.toml
    """
    from propstats.files import write_atomically
    from propstats.published.constants import DEFAULT_DIGITS, compute
    from propstats.published.drift import check as check_file
    from propstats.published.lock import lock_text
    from propstats.published.registry import registry

    if check is not None:
        if write is not None or digits is not None:
            other = "--write" if write is not None else "--digits"
            raise DomainError(f"--check and {other} exclude each other", "the file says how many digits count")
        result = check_file(check, match)
        return Answer("constants", result, result.passed, json, lambda out: _render_check(out, result))
    if write is not None and match:
        raise DomainError("--write and --match exclude each other", "a lock file has all constants")
    digits = DEFAULT_DIGITS if digits is None else digits
    values = compute(registry(), digits, match)
    if write is not None:
        write_atomically(write, lock_text(values, digits))
    listing = _Listing(values)
    return Answer("constants", listing, True, json, lambda out: _render(out, listing, write))


def _render(out: "Console", listing: _Listing, written: str | None) -> None:
    from propstats.text import printable

    if written is not None:
        out.print(f"wrote {len(listing.constants)} constants to {printable(written)}", markup=False, soft_wrap=True)
        return
    names, numbers = (max(len(getattr(value, field)) for value in listing.constants) for field in ("name", "digits"))
    # Lines that are not filled up to the longest formula: in a narrow terminal only long ones run over.
    out.print(f"{'constant':{names}}  {'value':{numbers}}  formula", style="bold", soft_wrap=True)
    for value in listing.constants:
        line = f"{value.name:{names}}  {value.digits:{numbers}}  {value.formula}"
        out.print(line, markup=False, soft_wrap=True)
    what = (
        "constant, correctly rounded: it is" if len(listing.constants) == 1 else "constants, correctly rounded: each is"
    )
    out.print(f"{len(listing.constants)} {what} within half a unit of its last digit", soft_wrap=True)


def _render_check(out: "Console", result: "CheckedConstants") -> None:
    from propstats.text import printable

    for drift in result.drifted:
        out.print(
            f"{drift.name} = {printable(drift.formula)}: digit {drift.digit} differs\n"
            f"  stated   {printable(drift.stated)}\n  computed {drift.computed}",
            markup=False,
            soft_wrap=True,
        )
    count = len(result.constants)
    verdict = f"{len(result.drifted)} of {count} drifted" if result.drifted else f"all {count} come out as stated"
    out.print(f"{result.file}: {verdict}", markup=False, soft_wrap=True)
