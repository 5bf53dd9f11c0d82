"""Sums of `c x^n exp(a x + b x^2/2)`, cut off at a point or weighted by a normal distribution function."""

from dataclasses import dataclass

#: Powers beyond this have no digits left in the recurrences that integrate them.
MAX_POWER = 12


@dataclass(frozen=True, slots=True)
class Gate:
    """A factor `P(slope x + offset + noise e > 0)`, e standard normal: `Phi(slope x + offset)`, or a step."""

    slope: float
    offset: float
    noise: float

    @classmethod
    def step(cls, kink: float, side: int) -> "Gate":
        """Return the gate that is 1 above the kink (side 1) or below it (side -1)."""
        return cls(side, -side * kink, 0.0)


@dataclass(frozen=True, slots=True)
class Shape:
    """What a polynomial is multiplied with: `exp(linear x + quadratic x^2/2)` and a gate, if any."""

    linear: complex = 0.0
    quadratic: float = 0.0
    gate: Gate | None = None


#: Coefficients of the powers of x, the constant first.
Polynomial = tuple[complex, ...]
#: A sum of products: for each shape, the polynomial in x that it is multiplied with.
Terms = dict[Shape, Polynomial]


class NoTermsError(Exception):
    """A formula that is not of this form."""


def plus(a: Polynomial, b: Polynomial) -> Polynomial:
    """Return the sum of two polynomials."""
    size = max(len(a), len(b))
    return tuple(x + y for x, y in zip(a + (0.0,) * (size - len(a)), b + (0.0,) * (size - len(b)), strict=True))


def add(total: Terms, more: Terms) -> None:
    """Add terms to a sum in place."""
    for shape, polynomial in more.items():
        total[shape] = plus(total.get(shape, ()), polynomial)


def scaled(terms: Terms, factor: float) -> Terms:
    """Return a multiple."""
    return {shape: tuple(factor * c for c in polynomial) for shape, polynomial in terms.items()}


def added(a: Terms, b: Terms, sign: float) -> Terms:
    """Return `a + sign b`."""
    total = dict(a)
    add(total, scaled(b, sign))
    return total


def product(a: Terms, b: Terms) -> Terms:
    """Return the product.

    Raises:
        NoTermsError: If two gates meet, or the powers grow too high.
    """
    total: Terms = {}
    for left, p in a.items():
        for right, q in b.items():
            if left.gate is not None and right.gate is not None:
                raise NoTermsError  # a product of two distribution functions needs three dimensions
            linear = left.linear + right.linear
            if linear.imag == 0.0:
                linear = linear.real
            elif left.gate is not None or right.gate is not None:
                raise NoTermsError  # two of them need distribution functions at complex points
            shape = Shape(linear, left.quadratic + right.quadratic, left.gate or right.gate)
            sums = [0.0j if isinstance(p[0] * q[0], complex) else 0.0] * (len(p) + len(q) - 1)
            for i, x in enumerate(p):
                for j, y in enumerate(q):
                    sums[i + j] += x * y
            if len(sums) > MAX_POWER + 1:
                raise NoTermsError
            add(total, {shape: tuple(sums)})
    return total
