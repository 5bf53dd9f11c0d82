"""Formulas read as sums of terms whose bivariate moments have closed forms."""

import math
from collections.abc import Mapping
from dataclasses import replace
from functools import reduce
from itertools import pairwise

from propstats.activations.activation import Activation
from propstats.activations.expression import Call, Expr, evaluate, symbols_of
from propstats.activations.namespaces import float_namespace
from propstats.activations.pieces import Piece
from propstats.errors import ExpressionError
from propstats.expectation.dual.terms import (
    MAX_POWER,
    Gate,
    NoTermsError,
    Shape,
    Terms,
    add,
    added,
    plus,
    product,
    scaled,
)


def terms_of(activation: Activation) -> Terms | None:
    """Return an activation as a sum of terms that have bivariate moments in closed form, or None.

    >>> from propstats.activations import activation
    >>> terms_of(activation("relu")), terms_of(activation("tanh"))
    ({Shape(linear=0.0, quadratic=0.0, gate=Gate(slope=1, offset=-0.0, noise=0.0)): (0.0, 1.0)}, None)
    """
    values = activation.params
    try:
        cut = activation.pieces
        found = [_terms(piece.formula, values) for piece in cut]
        return _joined([_ends(piece, values) for piece in cut], found)
    except (NoTermsError, ExpressionError, ZeroDivisionError, OverflowError, ValueError):
        return None


def _ends(piece: Piece, params: Mapping[str, float]) -> tuple[float, float]:
    low = -math.inf if piece.low is None else evaluate(piece.low, params, float_namespace())
    high = math.inf if piece.high is None else evaluate(piece.high, params, float_namespace())
    return float(low), float(high)


def _joined(ends: list[tuple[float, float]], found: list[Terms]) -> Terms:
    """Write a function given piece by piece as one sum over the whole line.

    Polynomials by what changes at each kink. Exponentials are cut off where they would grow.
    """
    if len(found) == 1:
        return found[0]
    total: Terms = {}
    for (low, high), terms in zip(ends, found, strict=True):
        for shape, polynomial in terms.items():
            if shape == Shape():
                continue
            if shape.gate is not None or isinstance(shape.linear, complex):
                raise NoTermsError
            below = math.isfinite(high) and (math.isinf(low) or shape.linear > 0)
            sign, inner, outer = (-1, high, low) if below else (1, low, high)
            if math.isfinite(inner):
                add(total, {replace(shape, gate=Gate.step(inner, sign)): polynomial})
            if math.isfinite(outer):
                add(total, {replace(shape, gate=Gate.step(outer, sign)): tuple(-c for c in polynomial)})
    polynomials = [terms.get(Shape(), ()) for terms in found]
    add(total, {Shape(): polynomials[0]})
    for (_, kink), (left, right) in zip(ends, pairwise(polynomials), strict=False):
        add(total, {Shape(gate=Gate.step(kink, 1)): plus(right, tuple(-c for c in left))})
    return {shape: polynomial for shape, polynomial in total.items() if any(polynomial)}


def _terms(expr: Expr, params: Mapping[str, float]) -> Terms:
    """Read one smooth formula."""
    if "x" not in symbols_of(expr):
        return {Shape(): (evaluate(expr, params, float_namespace()),)}
    if not isinstance(expr, Call):
        return {Shape(): (0.0, 1.0)}
    parts = [_terms(arg, params) for arg in expr.args]
    match expr.function:
        case "add" | "sub":
            return added(parts[0], parts[1], 1.0 if expr.function == "add" else -1.0)
        case "neg":
            return scaled(parts[0], -1.0)
        case "mul":
            return product(*parts)
        case "div":
            return scaled(parts[0], 1.0 / _constant(parts[1]))
        case "pow":
            power = _constant(parts[1])
            if power not in range(MAX_POWER + 1):
                raise NoTermsError
            return reduce(product, [parts[0]] * int(power), _ONE)
        case "exp":
            return _exponential(*_polynomial(parts[0]))
        case "expm1":
            return added(_exponential(*_polynomial(parts[0])), _ONE, -1.0)
        case "phi":
            square = product(parts[0], parts[0])
            return scaled(_exponential(*_polynomial(scaled(square, -0.5))), 1.0 / math.sqrt(2 * math.pi))
        case "sin" | "cos":
            offset, rate, bend = _polynomial(parts[0])
            if bend:
                raise NoTermsError
            phase = complex(math.cos(offset), math.sin(offset))
            ahead, back = (phase / 2, phase.conjugate() / 2)
            if expr.function == "sin":
                ahead, back = ahead / 1j, -back / 1j
            return {Shape(1j * rate): (ahead,), Shape(-1j * rate): (back,)}
        case "Phi":
            return _normal_cdf(*_polynomial(parts[0]))
        case "erf":
            return added(scaled(_normal_cdf(*_polynomial(scaled(parts[0], math.sqrt(2)))), 2.0), _ONE, -1.0)
        case _:
            raise NoTermsError


_ONE: Terms = {Shape(): (1.0,)}


def _exponential(offset: float, rate: float, square: float) -> Terms:
    return {Shape(rate, 2 * square): (math.exp(offset),)}


def _normal_cdf(offset: float, rate: float, square: float) -> Terms:
    if square or not rate:
        raise NoTermsError
    return {Shape(gate=Gate(rate, offset, 1.0)): (1.0,)}


def _polynomial(terms: Terms) -> tuple[float, float, float]:
    """Return the coefficients of a real polynomial of degree two at most."""
    coefficients = terms.get(Shape(), ())
    if terms.keys() - {Shape()} or any(coefficients[3:]):
        raise NoTermsError
    first, second, third, *_ = (*(c.real for c in coefficients), 0.0, 0.0, 0.0)
    return first, second, third


def _constant(terms: Terms) -> float:
    value, *rest = _polynomial(terms)
    if any(rest):
        raise NoTermsError
    return value
