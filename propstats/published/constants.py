"""Constants: a name, an expression, and the digits that follow from it."""

import keyword
import math
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from propstats.activations.functions import ARITY
from propstats.errors import (
    CertificateError,
    DataError,
    DomainError,
    ExpressionError,
    PropstatsError,
)
from propstats.published.evaluation import value_of
from propstats.published.language import QUANTITIES, Reading, read
from propstats.published.printed import Printed
from propstats.text import printable

DEFAULT_DIGITS = 30
#: Integrals are proven to 1000 digits; what follows from them may lose some.
MAX_DIGITS = 900
#: What a name in an expression already means.
_TAKEN = {*ARITY, *QUANTITIES, "max", "min", "pi", "x", "mu", "s"}
_MAX_NAME = 100
_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Constant:
    """A number that is defined by an expression.

    Args:
        name: Its name, under which later expressions know it.
        expression: What it is; see `propstats.published.language`.
        note: What it is for.
    """

    name: str
    expression: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class ConstantValue:
    """A constant with its digits.

    Args:
        name: Its name.
        formula: The expression.
        digits: The number, correctly rounded to the digits that were asked for.
        error: A bound on what rounding took away: half a unit of the last digit.
        note: What it is for.
    """

    name: str
    formula: str
    digits: str
    error: float
    note: str = ""


def compute(constants: Iterable[Constant], digits: int = DEFAULT_DIGITS, match: str = "") -> tuple[ConstantValue, ...]:
    """Compute constants, each from its expression.

    Args:
        constants: The constants; an expression may use the names of those before it.
        digits: How many significant digits to prove, from 1 to 900.
        match: Only constants with this text in their name, expression or note.

    Raises:
        DomainError: If `digits` is out of range, or no constant has the text.
        DataError: If a name or an expression cannot be used; the message names the constant.

    >>> [value.digits for value in compute([Constant("c", "1/pi"), Constant("d", "1/sqrt(1 - c)")], 12)]
    ['0.318309886184', '1.21117389624']
    """
    readings = select(read_all(constants), match)
    return tuple(value_at(constant, reading, digits) for constant, reading in readings)


def select(readings: Iterable[tuple[Constant, Reading]], match: str) -> list[tuple[Constant, Reading]]:
    """Return the constants that have a text in their name, expression or note.

    Raises:
        DomainError: If none has it: an empty answer would look like good news.
    """
    found = [(constant, reading) for constant, reading in readings if matches(constant, match)]
    if match and not found:
        raise DomainError(f"no constant has {printable(match, limit=40)!r} in its name, expression or note")
    return found


def matches(constant: Constant, text: str) -> bool:
    """Whether a constant has a text in its name, expression or note, in whatever case."""
    return text.lower() in "\n".join((constant.name, constant.expression, constant.note)).lower()


def read_all(constants: Iterable[Constant]) -> Iterator[tuple[Constant, Reading]]:
    """Read the expressions of constants, in order.

    Raises:
        DataError: If a name or an expression cannot be used; the message names the constant.
    """
    listed = tuple(constants)
    known: dict[str, Reading] = {}
    for constant in listed:
        _check_name(constant.name, known)
        try:
            known[constant.name] = read(constant.expression, known)
        except PropstatsError as error:
            raise _about(constant, _if_later(constant, listed, known) or error) from None
        yield constant, known[constant.name]


def _if_later(constant: Constant, listed: Sequence[Constant], known: Collection[str]) -> PropstatsError | None:
    """Say so if an expression that cannot be read uses a constant that is defined further down, or itself."""
    words = set(_WORD.findall(constant.expression))
    later = [other.name for other in listed if other.name in words and other.name not in known]
    if not later:
        return None
    where = "itself" if constant.name in later else f"{later[0]}, which is defined after it"
    return DataError(f"it uses {printable(where, limit=80)}", "each constant may use those above it")


def value_at(constant: Constant, reading: Reading, digits: int) -> ConstantValue:
    """Compute one constant.

    Raises:
        DomainError: If `digits` is out of range.
        DataError: If it has no value, or none that can be proven.
    """
    if not 1 <= digits <= MAX_DIGITS:
        raise DomainError(f"digits must be between 1 and {MAX_DIGITS}, got {digits}")
    try:
        found = value_of(reading, digits).digits
    except (DomainError, CertificateError, ExpressionError) as error:
        raise _about(constant, error) from None
    assert found is not None
    half_unit = math.nextafter(float(Printed.read(found).half_unit), math.inf)
    return ConstantValue(constant.name, constant.expression, found, half_unit, constant.note)


def _about(constant: Constant, error: PropstatsError) -> DataError:
    return DataError(f"constant {printable(constant.name, limit=40)}: {error.message}", error.hint)


def _check_name(name: str, known: dict[str, Reading]) -> None:
    shown = printable(name, limit=40)
    if name in known:
        raise DataError(f"constant {shown} is defined twice", "give each constant a name of its own")
    if not name.isidentifier() or keyword.iskeyword(name) or len(name) > _MAX_NAME:
        raise DataError(f"{shown!r} cannot be the name of a constant", "use letters, digits and _, as in relu_gain")
    if name in _TAKEN:
        raise DataError(f"{shown!r} cannot be the name of a constant: expressions use it", f"for example my_{name}")
