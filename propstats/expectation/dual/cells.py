"""A function of x as a function of the standard normal z behind x: a polynomial, and terms in arrays."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from propstats.expectation.dual.law import Gate, Values
from propstats.expectation.dual.terms import Gate as GateInX
from propstats.expectation.dual.terms import Polynomial, Shape, Terms, add

Array = NDArray[np.float64]

#: Standard deviations at which the density is below the smallest number.
_UNFELT = 39.0


@dataclass(frozen=True, eq=False)
class Cells:
    """Terms, all with gates of one kind or all without; numbers that are the same for all of them, or arrays.

    Args:
        count: How many terms there are.
        centre: Where powers are taken from.
        log: Logarithm of a constant factor.
        linear: Coefficient of z in the exponent.
        quadratic: Coefficient of `z^2/2` in the exponent.
        gate: The gates, about the centre.
        powers: The powers p of `z - centre` that occur, with their coefficients.
    """

    count: int
    centre: Values
    log: Values
    linear: Values
    quadratic: Values
    gate: Gate | None
    powers: tuple[tuple[int, Values], ...]

    @cached_property
    def is_flat(self) -> bool:
        """Whether there are no exponentials."""
        return not (np.any(self.linear) or np.any(self.quadratic))

    @cached_property
    def turned(self) -> "Cells":
        """The same with its arrays, of shape (count, 1, 1), laid along the second axis."""

        def laid(values: Values) -> Values:
            return values.reshape(1, -1, 1) if isinstance(values, np.ndarray) else values

        gate = self.gate and Gate(laid(self.gate.slope), laid(self.gate.offset), self.gate.noise)
        powers = tuple((p, laid(values)) for p, values in self.powers)
        centre, log = laid(self.centre), laid(self.log)
        return Cells(self.count, centre, log, laid(self.linear), laid(self.quadratic), gate, powers)


@dataclass(frozen=True, eq=False)
class Form:
    """A function of z.

    Args:
        polynomial: Coefficients of the powers of z, the constant first; shape (degree + 1), or (0).
        cells: All else, by the kind of the gates.
    """

    polynomial: Array
    cells: tuple[Cells, ...]


def form_of(terms: Terms, mean: float, std: float) -> Form:
    """Return a sum of terms in `x = mean + std z` as a function of z.

    >>> form = form_of({Shape(): (1.0, 2.0)}, 3.0, 0.5)  # 1 + 2 (3 + z/2)
    >>> form.polynomial.tolist(), form.cells
    ([7.0, 1.0], ())
    """
    opened: Terms = {}
    for shape, polynomial in terms.items():
        add(opened, _opened_outwards(shape, polynomial, mean))
    polynomial = opened.pop(Shape(), ())
    powers = np.array([c.real * std**p for p, c in enumerate(_about(polynomial, mean))])
    groups: dict[float | None, list[tuple[Shape, Polynomial]]] = {}
    for shape, factors in opened.items():
        if any(factors) and not _is_never_felt(shape, mean, std):
            groups.setdefault(None if shape.gate is None else shape.gate.noise, []).append((shape, factors))
    return Form(powers, tuple(_cells(group, kind, mean, std) for kind, group in groups.items()))


def _opened_outwards(shape: Shape, polynomial: Polynomial, mean: float) -> Terms:
    """Turn a step that is open at the mean into what it leaves out: the less there is of it, the less it rounds."""
    gate = shape.gate
    if gate is None or gate.noise or shape.linear or shape.quadratic or gate.slope * mean + gate.offset <= 0:
        return {shape: polynomial}
    closed = GateInX(-gate.slope, -gate.offset, 0.0)
    return {Shape(): polynomial, replace(shape, gate=closed): tuple(-c for c in polynomial)}


def _is_never_felt(shape: Shape, mean: float, std: float) -> bool:
    """Whether a step opens only where the density underflows, and what it opens does not grow further out."""
    gate = shape.gate
    if gate is None or gate.noise or shape.quadratic > 0 or shape.linear.real * gate.slope > 0:
        return False
    return gate.slope * mean + gate.offset < -_UNFELT * std


def _cells(terms: list[tuple[Shape, Polynomial]], kind: float | None, mean: float, std: float) -> Cells:
    rows: list[list[complex]] = []
    degree = max(len(polynomial) for _, polynomial in terms)
    for shape, polynomial in terms:
        a, b, gate = shape.linear, shape.quadratic, shape.gate
        point, slope, offset = mean, 0.0, 0.0
        if gate is not None and gate.noise:
            slope, offset = gate.slope * std, gate.offset + gate.slope * mean
        elif gate is not None:
            point, slope = -gate.offset * gate.slope, gate.slope  # powers from the step, where they vanish
        powers = [c * std**p for p, c in enumerate(_about(polynomial, point))]
        # exp(a x + b x^2/2) at x = mean + std z.
        exponent = (a * mean + b * mean**2 / 2, (a + b * mean) * std, b * std**2)
        rows.append([(point - mean) / std, *exponent, slope, offset, *powers, *[0.0] * (degree - len(powers))])
    table = np.array(rows)
    centre, log, linear, quadratic, slopes, offsets, *columns = (_common(column) for column in table.T)
    gates = None if kind is None else Gate(slopes, offsets, kind)
    powers_at = tuple((p, column) for p, column in enumerate(columns) if np.any(column))
    return Cells(len(terms), centre, log, linear, quadratic, gates, powers_at)


def _common(column: NDArray[Any]) -> Values:
    """Return one number in place of an array of equal numbers, and a real one if it is real."""
    if not np.imag(column).any():
        column = np.real(column)
    common: Values = column.reshape(-1, 1, 1) if (column != column[0]).any() else column[0].item()
    return common


def _about(polynomial: Polynomial, point: float) -> Iterator[complex]:
    """Yield the coefficients of a polynomial in powers of `x - point`."""
    for p in range(len(polynomial)):
        yield sum(c * math.comb(n, p) * point ** (n - p) for n, c in enumerate(polynomial) if n >= p)
