"""The check that the constants of a file still come out the same."""

import os
from collections.abc import Sequence
from dataclasses import dataclass

from propstats.errors import DataError
from propstats.published.constants import ConstantValue, read_all, select, value_at
from propstats.published.lock import Locked, read_lock
from propstats.published.printed import first_difference
from propstats.text import printable


@dataclass(frozen=True, slots=True)
class Drift:
    """A constant that does not come out as it is stated.

    Args:
        name: Its name.
        formula: Its expression.
        stated: The number in the file.
        computed: The number that the expression gives.
        digit: The first significant digit that differs, counted from 1.
    """

    name: str
    formula: str
    stated: str
    computed: str
    digit: int


@dataclass(frozen=True, slots=True)
class CheckedConstants:
    """What a check finds.

    Args:
        file: The file.
        constants: Its constants, recomputed.
        drifted: Those that do not come out as they are stated.
    """

    file: str
    constants: tuple[ConstantValue, ...]
    drifted: tuple[Drift, ...]

    @property
    def passed(self) -> bool:
        """Whether nothing drifted."""
        return not self.drifted


def check(path: str | os.PathLike[str], match: str = "") -> CheckedConstants:
    """Recompute every constant of a lock file from its expression and compare the digits that are stated.

    A stated number that is not the correctly rounded one (halfway, the even one) has drifted.

    Args:
        path: The file.
        match: Only constants with this text in their name, expression or note.

    Raises:
        DataError: If the file cannot be used, or a value is missing; then the message says what to put in.
        DomainError: If no constant has the text.
    """
    locked = read_lock(path)
    shown = printable(os.fspath(path))
    try:
        entries = {entry.constant.name: entry for entry in locked}
        readings = select(read_all(entry.constant for entry in locked), match)
        pairs = [
            (entries[constant.name], value_at(constant, reading, entries[constant.name].digits))
            for constant, reading in readings
        ]
    except DataError as error:
        raise DataError(f"{shown}: {error.message}", error.hint) from None
    _require_values(pairs, shown)
    drifts = (drift(entry, value) for entry, value in pairs)
    return CheckedConstants(shown, tuple(value for _, value in pairs), tuple(d for d in drifts if d is not None))


def drift(entry: Locked, value: ConstantValue) -> Drift | None:
    """Compare what is stated with what comes out; None if they are the same."""
    assert entry.value is not None
    digit = first_difference(entry.value, value.digits, entry.digits)
    return None if digit is None else Drift(value.name, value.formula, entry.value, value.digits, digit)


def _require_values(pairs: Sequence[tuple[Locked, ConstantValue]], shown: str) -> None:
    missing = [value for entry, value in pairs if entry.value is None]
    if missing:
        names = ", ".join(value.name for value in missing)
        hint = "; ".join(f'{value.name}: value = "{value.digits}"' for value in missing)
        raise DataError(f"{shown}: no value for {names}", f"put in {hint}")
