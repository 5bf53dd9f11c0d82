"""Normal forms: every formula as a sum of products, in which what is equal looks equal.

A `Sum` maps monomials to rational coefficients. A monomial is a product of powers of *atoms* (symbols, function calls,
sums that cannot be multiplied out) and at most one exponential. Symbols stand for real numbers; `s` and `pi` for
positive ones. A normal form has the value of the formula wherever that has one: `sqrt(a**2)` does not become `a`.

Multiplying out can take exponentially long; what would grow too large is refused with an `ExpressionError`.

Atoms have formulas inside, so that terms, powers and normal forms need each other: the simpler of two modules imports
the other inside functions.
"""

from propstats.activations.polynomial.normal import canonical, normal, reduced, shorter
from propstats.activations.polynomial.powers import power_of
from propstats.activations.polynomial.terms import Monomial, Sum
from propstats.activations.polynomial.writing import to_expr, with_erf

__all__ = ["Monomial", "Sum", "canonical", "normal", "power_of", "reduced", "shorter", "to_expr", "with_erf"]
