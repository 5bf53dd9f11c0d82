"""All moments of an activation as balls, from six integrals and what happens at the kinks."""

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from propstats.activations.activation import Activation
from propstats.activations.derivative import differentiate
from propstats.activations.expression import ONE, Expr, Number, Symbol, call, evaluate, symbols_of
from propstats.expectation.certified.balls import Balls, ends, exact, precision
from propstats.expectation.certified.boxes import indeterminate
from propstats.expectation.certified.integrals import GaussianIntegrals
from propstats.expectation.certified.proof import LARGEST, SMALLEST, Claim, Deadline
from propstats.expectation.certified.tails import Segment
from propstats.expectation.moments import derived_formulas
from propstats.expectation.singularities import parts_of

if TYPE_CHECKING:
    from flint import arb

#: What the arithmetic on the integrals may lose.
GUARD_BITS = 24


def value_of(expr: Expr, symbols: Mapping[str, Any]) -> "arb":
    """Evaluate a formula in ball arithmetic, with the present precision; symbols are numbers or balls."""
    from flint import arb

    balls = {name: value if isinstance(value, arb) else exact(value) for name, value in symbols.items()}
    value: arb = evaluate(expr, balls, Balls().reals)
    return value


#: The integrals that all moments are made of: of phi, phi^2, phi', phi'^2, and of phi' (x - mu), phi phi' (x - mu).
_MEAN, _SECOND, _SLOPE, _SLOPE_SECOND, _LEVER, _LEVER_PHI = range(6)
#: Where phi may be infinite, the last two are of phi (x - mu), phi^2 (z^2 - 1), phi (z^2 - 1), with z = (x - mu)/s:
#: by Stein's lemma they give the same moments, and they exist where those of the slope do not.
_PULL, _HEAT_SECOND, _HEAT = 4, 5, 6


def _integrands(formula: Expr, mean: float, std: float, *, is_singular: bool) -> tuple[Expr, ...]:
    slope, square = differentiate(formula, "x"), call("mul", formula, formula)
    away = call("sub", Symbol("x"), Number(Fraction(mean)))
    first = formula, square, slope, call("mul", slope, slope)
    if is_singular:
        z = call("div", away, Number(Fraction(std)))
        heat = call("sub", call("mul", z, z), ONE)
        return *first, call("mul", formula, away), call("mul", square, heat), call("mul", formula, heat)
    lever = call("mul", slope, away)
    return *first, lever, call("mul", formula, lever)


class MomentBalls:
    """The moments of one activation under one Gaussian, to any precision."""

    def __init__(self, activation: Activation, mean: float, std: float, deadline: Deadline) -> None:
        self._pieces, self._params, self._mean, self._std = activation.pieces, activation.params, mean, std
        parts = parts_of(self._pieces, self._params)
        self._is_singular = any(part.ends for part in parts)

        def integrands(formula: Expr) -> tuple[Expr, ...]:
            return _integrands(formula, mean, std, is_singular=self._is_singular)

        segments = [Segment(p.piece.low, p.piece.high, integrands(p.piece.formula), p.ends) for p in parts]
        whole = integrands(activation.formula)
        self._integrals = GaussianIntegrals(segments, whole, self._params, mean=mean, std=std, deadline=deadline)
        self._integrals.require(_MEAN)

    def claims(self, bits: int) -> dict[str, Claim]:
        """Return all quantities, computed with an error of about `2**-bits` of their size."""
        integrals = self._integrals.integrate(bits)
        self._integrals.require(_MEAN)
        with precision(2 * bits + GUARD_BITS):
            base = self._base([indeterminate().real if ball is None else ball for ball in integrals])
            symbols = {"s": exact(self._std), **base}
            derived = {name: value_of(formula, symbols) for name, formula in derived_formulas().items()}
        mean, slope = self._integrals.scale(_MEAN), self._integrals.scale(_SLOPE)
        linear = self._integrals.scale(_PULL) / Fraction(self._std) ** 2 if self._is_singular else slope
        scales = {"mean": mean, "normprop_shift": mean, "mean_slope": slope, "linear_slope": linear}
        scales |= {"var_rate": max(_size(base["var"]), SMALLEST)}
        scales |= {"stability_slope": Fraction(1), "nonlinear_share": Fraction(1)}
        doubtful = self._doubtful()
        found = {name: ball for name, ball in (base | derived).items() if name not in doubtful}
        return {name: Claim(ball, scales.get(name, SMALLEST)) for name, ball in found.items()}

    def _doubtful(self) -> set[str]:
        """Return the quantities of which it is not known whether they exist: nothing is claimed of them."""
        needs = {
            "mean": {_MEAN},
            "second_moment": {_SECOND},
            "var": {_MEAN, _SECOND},
            "mean_slope": {_SLOPE},
            "slope_second_moment": {_SLOPE_SECOND},
            "linear_slope": {_PULL} if self._is_singular else {_SLOPE},
            "var_rate": {_MEAN, _HEAT_SECOND, _HEAT} if self._is_singular else {_MEAN, _LEVER, _LEVER_PHI},
        }
        base = {name for name, integrals in needs.items() if integrals & self._integrals.unresolved}
        return base | {name for name, formula in derived_formulas().items() if symbols_of(formula) & base}

    def _base(self, integrals: "Sequence[arb]") -> "dict[str, arb]":
        mean = integrals[_MEAN]
        slope, rate = (self._by_stein if self._is_singular else self._by_slope)(integrals)
        return {
            "mean": mean,
            "second_moment": integrals[_SECOND],
            "var": integrals[_SECOND] - mean * mean,
            "mean_slope": integrals[_SLOPE],
            "slope_second_moment": integrals[_SLOPE_SECOND],
            "linear_slope": slope,
            "var_rate": rate,
        }

    def _by_stein(self, integrals: "Sequence[arb]") -> "tuple[arb, arb]":
        """Return linear_slope and var_rate, which is `E[(phi - m)^2 (z^2 - 1)]/2`, from phi alone."""
        std = exact(self._std)
        return integrals[_PULL] / (std * std), integrals[_HEAT_SECOND] / 2 - integrals[_MEAN] * integrals[_HEAT]

    def _by_slope(self, integrals: "Sequence[arb]") -> "tuple[arb, arb]":
        """Return linear_slope and var_rate from the slope and the jumps."""
        from flint import arb

        mean, std = integrals[_MEAN], exact(self._std)
        slope, rate = integrals[_SLOPE], integrals[_LEVER_PHI] - mean * integrals[_LEVER]
        for kink, below, above in self._kinks():
            z = (kink - exact(self._mean)) / std
            density = (z * z / -2).exp() / (std * (2 * arb.pi()).sqrt())
            slope = slope + (above - below) * density
            rate = rate + (above - below) * ((above + below) / 2 - mean) * z * std * density
        return slope, rate

    def _kinks(self) -> "Iterator[tuple[arb, arb, arb]]":
        """Yield the kinks, with the activation just below and just above."""
        for left, right in pairwise(self._pieces):
            assert right.low is not None
            kink = value_of(right.low, self._params)
            below, above = (value_of(piece.formula, {"x": kink, **self._params}) for piece in (left, right))
            yield kink, below, above


def point_mass_claims(activation: Activation, x: float, bits: int) -> dict[str, Claim]:
    """Return all quantities for an input that always equals `x`."""
    with precision(bits + GUARD_BITS):
        values = {"x": x, **activation.params}
        value, slope = (value_of(formula, values) for formula in (activation.formula, activation.slope_formula))
        zero = exact(0.0)
        base = {
            "mean": value,
            "second_moment": value * value,
            "var": zero,
            "mean_slope": slope,
            "slope_second_moment": slope * slope,
            "linear_slope": slope,
            "var_rate": zero,
        }
        derived = {name: value_of(formula, {"s": zero, **base}) for name, formula in derived_formulas().items()}
    return {name: Claim(ball, Fraction(1)) for name, ball in (base | derived).items()}


def _size(ball: "arb") -> Fraction:
    return max(map(abs, ends(ball))) if abs(ball) < LARGEST else Fraction(0)
