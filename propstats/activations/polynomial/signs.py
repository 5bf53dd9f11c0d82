"""What is known to be positive: symbols stand for real numbers, `s` and `pi` for positive ones."""

from propstats.activations.expression import Expr, Number, Symbol
from propstats.activations.polynomial.terms import Monomial, Sum, is_sum


def is_positive(atom: Expr) -> bool:
    """Whether an atom is known to be positive."""
    if isinstance(atom, Number):
        return atom.value > 0
    if isinstance(atom, Symbol):
        return atom.name in ("s", "pi")
    if is_sum(atom):
        from propstats.activations.polynomial.normal import normal

        return is_positive_sum(normal(atom))
    return atom.function in ("Phi", "phi", "sigmoid", "softplus")


def is_positive_sum(total: Sum) -> bool:
    """Whether a sum is one of positive things and squares, with something positive among them."""
    terms = total.terms.items()
    return all(c > 0 and is_not_negative(m) for m, c in terms) and any(
        all(is_positive(atom) for atom, _ in m.factors) for m, _ in terms
    )


def is_not_negative(monomial: Monomial) -> bool:
    """Whether a product is one of squares and positive things."""
    return all(power % 2 == 0 or is_positive(atom) for atom, power in monomial.factors)
