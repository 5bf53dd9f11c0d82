import cmath
import math

import numpy as np
import pytest

from propstats.activations import activation, activation_names
from propstats.activations.activation import Activation
from propstats.expectation.dual.cells import Cells, form_of
from propstats.expectation.dual.reading import terms_of
from propstats.expectation.dual.terms import Shape, Terms

_EPS = float(np.finfo(float).eps)
#: What closed forms are promised for, and what reduces to it.
CLOSED = {
    "abs", "celu", "cos", "cube", "elu", "erf", "exp", "gaussian", "gelu", "hardshrink", "hardsigmoid", "hardswish",
    "hardtanh", "identity", "leaky_relu", "prelu", "rbf", "relu", "relu6", "relu_squared", "rrelu", "selu", "sign",
    "sin", "snake", "softshrink", "square", "step", "threshold",
}  # fmt: skip
_POINTS = [-7.3, -3.01, -2.2, -0.51, -0.2, 0.1, 0.9, 1.1, 3.3, 6.5]


def _ndtr(x: float) -> float:
    return 0.5 * math.erfc(-x / math.sqrt(2))


def _open(slope: float, offset: float, noise: float, x: float) -> float:
    inside = slope * x + offset
    return _ndtr(inside) if noise else float(inside > 0)


def _of_terms(terms: Terms, x: float) -> tuple[complex, float]:
    """Add up the terms at a point, and their sizes."""
    total, size = 0j, 0.0
    for shape, polynomial in terms.items():
        weight = cmath.exp(shape.linear * x + shape.quadratic * x * x / 2)
        if shape.gate is not None:
            weight *= _open(shape.gate.slope, shape.gate.offset, shape.gate.noise, x)
        for n, c in enumerate(polynomial):
            total += c * x**n * weight
            size += abs(c * x**n * weight)
    return total, size


def _of_cells(cells: Cells, z: float) -> tuple[complex, float]:
    values = 0j
    size = 0.0
    for i in range(cells.count):
        centre, log, linear, quadratic, slope, offset, *powers = (
            complex(np.broadcast_to(np.ravel(np.asarray(value)), cells.count)[i])
            for value in (
                cells.centre, cells.log, cells.linear, cells.quadratic,
                0.0 if cells.gate is None else cells.gate.slope, 0.0 if cells.gate is None else cells.gate.offset,
                *(factor for _, factor in cells.powers),
            )
        )  # fmt: skip
        from_centre = z - centre.real
        weight = cmath.exp(log + linear * z + quadratic * z * z / 2)
        if cells.gate is not None:
            # Gates look at what the powers look at: z itself for those that average, z from the kink for steps.
            weight *= _open(slope.real, offset.real, cells.gate.noise, from_centre)
        for (p, _), factor in zip(cells.powers, powers, strict=True):
            values += factor * from_centre**p * weight
            size += abs(factor * from_centre**p * weight)
    return values, size


def test_which_have_closed_forms() -> None:
    assert {name for name in activation_names() if terms_of(activation(name)) is not None} == CLOSED


@pytest.mark.parametrize("name", sorted(CLOSED))
def test_the_terms_are_the_function(name: str) -> None:
    terms = terms_of(activation(name))
    assert terms is not None
    for x in _POINTS:
        total, size = _of_terms(terms, x)
        assert abs(total - activation(name)(x)) <= 16 * _EPS * size * (1 + abs(x))


@pytest.mark.parametrize(("mean", "std"), [(0.0, 1.0), (0.3, 1.7), (-2.0, 0.5), (8.0, 1.0)])
@pytest.mark.parametrize("name", sorted(CLOSED))
def test_the_form_is_the_function_of_z(name: str, mean: float, std: float) -> None:
    terms = terms_of(activation(name))
    assert terms is not None
    form = form_of(terms, mean, std)
    for x in _POINTS:
        z = (x - mean) / std
        parts = [(c * z**n, abs(c * z**n)) for n, c in enumerate(form.polynomial)]
        parts += [_of_cells(cells, z) for cells in form.cells]
        total, size = sum(value for value, _ in parts), sum(size for _, size in parts)
        # Rounding of z moves every term by its logarithmic derivative.
        assert abs(total - activation(name)(x)) <= 32 * _EPS * size * (1 + abs(x) + abs(mean)) ** 2 / std


@pytest.mark.parametrize(
    "text", ["tanh(x)", "x**13", "Phi(x)**2", "exp(x**3)", "sin(x)*Phi(x)", "where(x > 1, sin(x), x)", "x**0.5", "1/x"]
)
def test_what_has_none(text: str) -> None:
    assert terms_of(Activation("own", text)) is None


def test_products_and_powers() -> None:
    terms = terms_of(Activation("own", "(x + 1)**2*phi(x)/2"))
    assert terms is not None
    [(shape, polynomial)] = terms.items()
    factor = 0.5 / math.sqrt(2 * math.pi)
    assert shape == Shape(quadratic=-1.0)
    assert polynomial == pytest.approx((factor, 2 * factor, factor), rel=2 * _EPS)
