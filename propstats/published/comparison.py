"""Expressions compared with each other."""

from propstats.published.claims import Finding, number, shortened


def same_number(first: str, second: str) -> bool:
    """Whether two expressions agree in thirty digits.

    >>> same_number("3/(2*sqrt(pi))", 'expect("3*x*Phi(x)**2")')
    True
    """
    return number(first).overlaps(number(second))


def differs(expression: str, other: str, what: str) -> Finding:
    """Find that an expression is not the same number as another."""
    return Finding(not same_number(expression, other), f"{what} {shortened(number(expression), 6)}")
