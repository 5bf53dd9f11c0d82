"""Claims: what others printed, beside what is exact, and whether the two agree at the printed precision."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from propstats.expectation.certified.decimals import decimal
from propstats.published.evaluation import value_of
from propstats.published.language import Reading, read
from propstats.published.printed import Printed

#: Digits to which formulas are compared; a number with more printed digits gets as many and some.
_DIGITS = 30
_MARGIN = 6
#: Digits of the exact number that are shown beyond those that were printed.
_SHOWN = 4


class Verdict(StrEnum):
    """What becomes of a claim."""

    HOLDS = "holds"
    CUT_OFF = "cut off"  # all printed digits are the exact number's, but the last one is not rounded
    DOUBLE = "nearest double"  # more digits than a double has, and the double that they mean is the nearest
    ESTIMATE = "estimate off"  # the source says that it estimated, from samples or by a fit
    FAILS = "fails"


@dataclass(frozen=True, slots=True)
class Source:
    """Where claims are printed.

    Args:
        title: Author and title, or package, file and version.
        seed: Whether it is one of the three documents that propstats grew from.
    """

    title: str
    seed: bool = False


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check of a statement finds.

    Args:
        holds: Whether the statement is true.
        exact: What is true, in a few words or numbers.
    """

    holds: bool
    exact: str


@dataclass(frozen=True, slots=True)
class Claim:
    """Something printed that can be checked.

    Args:
        id: A short name of its own.
        source: Where it is printed.
        where: Section, equation or function.
        statement: What is claimed, in our words.
        printed: The number as it is printed; a formula in the language of constants; or, with a check, a few words.
        exact: An expression for the exact value, or a function that checks the statement.
        equal: Whether `printed` must be the exact value itself rather than a rounding of it.
        at: Values of the variables of a formula at which both sides are compared.
        estimated: Whether the source says that it estimated the number, from random samples or by a fit.
        note: What a reader should know.
    """

    id: str
    source: Source
    where: str
    statement: str
    printed: str
    exact: str | Callable[[], Finding]
    equal: bool = False
    at: tuple[Mapping[str, str], ...] = ()
    estimated: bool = False
    note: str = ""


@dataclass(frozen=True, slots=True)
class JudgedClaim:
    """A claim and what became of it.

    Args:
        id: The claim.
        title: Where it is printed: author and title, or package and file.
        where: Section or function.
        statement: What is claimed.
        printed: What is printed.
        exact: What is exact.
        holds: Whether they agree at the printed precision.
        verdict: The same in words, with what excuses those that do not.
        relative_error: Printed over exact, minus 1; None where one of them is no number, or 0.
        note: What a reader should know.
        seed: Whether the source is one of the three documents that propstats grew from.
    """

    id: str
    title: str
    where: str
    statement: str
    printed: str
    exact: str
    holds: bool
    verdict: Verdict
    relative_error: float | None
    note: str
    seed: bool

    @property
    def source(self) -> str:
        """Title and section in one."""
        return f"{self.title}, {self.where}"


def judge(claim: Claim) -> JudgedClaim:
    """Decide whether a claim holds.

    A printed number holds if the exact one rounds to it: if it is within half a unit of the last printed digit. If
    it does not, it may still be the exact one's first digits, or the double nearest to it. A printed formula holds
    if both sides agree in thirty digits wherever they are compared. A statement holds if the check that belongs to
    it, in exact arithmetic, finds no counterexample.

    >>> paper = Source("Arpit et al. 2016")
    >>> claim = Claim("j", paper, "section 3.4", "Jacobian factor of a ReLU", "1.21", "jacobian_factor(relu)")
    >>> judge(claim).verdict.value, judge(claim).exact, round(judge(claim).relative_error, 5)
    ('holds', '1.211174', -0.00097)
    """
    if callable(claim.exact):
        finding = claim.exact()
        return _judged(claim, finding.holds, finding.exact)
    if claim.at:
        return _judge_formula(claim, claim.exact)
    return _judge_equation(claim, claim.exact) if claim.equal else _judge_number(claim, claim.exact)


def _judge_number(claim: Claim, expression: str) -> JudgedClaim:
    """Compare a printed decimal with the exact number."""
    printed = Printed.read(claim.printed)
    exact = number(expression, max(_DIGITS, printed.digits + _MARGIN))
    holds, relative = printed.overlaps(exact), _relative(printed, exact)
    # As many digits as it takes to see the difference.
    enough = max(8, 4 - math.floor(math.log10(abs(relative)))) if relative else printed.digits
    shown = shortened(exact, min(enough, printed.digits + _SHOWN))
    return _judged(claim, holds, shown, relative, _excuse(printed, exact))


def _judge_equation(claim: Claim, expression: str) -> JudgedClaim:
    """Compare two expressions."""
    printed, exact = (number(text) for text in (claim.printed, expression))
    return _judged(claim, printed.overlaps(exact), shortened(exact, 12), _relative(printed, exact))


def _judge_formula(claim: Claim, expression: str) -> JudgedClaim:
    """Compare two formulas at some values of their variables."""
    for point in claim.at:
        known = {name: read(value) for name, value in point.items()}
        printed, exact = (number(text, known=known) for text in (claim.printed, expression))
        if not printed.overlaps(exact):
            where = ", ".join(f"{name} = {value}" for name, value in point.items())
            found = f"{expression}; at {where}: {shortened(exact, 8)}, printed {shortened(printed, 8)}"
            return _judged(claim, False, found, _relative(printed, exact))
    return _judged(claim, True, expression)


def _excuse(printed: Printed, exact: Printed) -> Verdict:
    """Say what a number is that the exact one does not round to."""
    beyond = abs(exact.value) - abs(printed.value)
    if exact.value * printed.value > 0 and 0 <= beyond < 2 * printed.half_unit:
        return Verdict.CUT_OFF
    # Only a number with more digits than a double has can be the same double and not the same number.
    return Verdict.DOUBLE if float(printed.value) == float(exact.value) else Verdict.FAILS


def _judged(
    claim: Claim, holds: bool, exact: str, relative: float | None = None, excuse: Verdict = Verdict.FAILS
) -> JudgedClaim:
    if excuse is Verdict.FAILS and claim.estimated:
        excuse = Verdict.ESTIMATE
    verdict = Verdict.HOLDS if holds else excuse
    return JudgedClaim(
        id=claim.id,
        title=claim.source.title,
        where=claim.where,
        statement=claim.statement,
        printed=claim.printed,
        exact=exact,
        holds=holds,
        verdict=verdict,
        relative_error=relative,
        note=claim.note,
        seed=claim.source.seed,
    )


def number(text: str, digits: int = _DIGITS, known: Mapping[str, Reading] | None = None) -> Printed:
    """Return an expression's value."""
    found = value_of(read(text, known), digits).digits
    assert found is not None
    return Printed.read(found)


def shortened(number: Printed, digits: int) -> str:
    """Write a number with fewer digits, correctly rounded."""
    if number.value == 0:
        return "0"
    bounds = number.value - number.half_unit, number.value + number.half_unit
    return decimal(*bounds, min(digits, number.digits)) or number.text


def _relative(printed: Printed, exact: Printed) -> float | None:
    if exact.value == 0 or printed.value == 0:
        return None
    return float(printed.value / exact.value - 1)
