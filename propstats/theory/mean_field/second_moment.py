"""How one layer changes the second moment of the pre-activations."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from propstats.activations import Activation
from propstats.activations.expression import Expr
from propstats.activations.syntax import str_of
from propstats.errors import DomainError
from propstats.estimate import Estimate, Route
from propstats.expectation import closed_form, quadrature
from propstats.expectation.certified.growth import pole_in_reach
from propstats.expectation.normal import density
from propstats.expectation.quadrature.branches import branches
from propstats.expectation.quadrature.rule import Array
from propstats.expectation.quadrature.scales import value_of
from propstats.expectation.rounding import Rounded, evaluate_rounded

EPS = float(np.finfo(float).eps)
#: A wave that is wider than this, in its own length, takes quadrature many nodes, and a formula none.
_WIDE = 30.0
#: A jump that counts as none: at its threshold, torch's softplus leaves one of 2e-9.
SMALL_JUMP = 1e-6
#: Second moments below this are 0: their squares underflow.
LOWEST = 1e-140
#: What quadrature allows for underflow, and a little more.
_NOTHING = 1e-300
#: The relative error up to which a formula is trusted there.
_TRUSTED = 1e-9


@dataclass(frozen=True)
class SecondMomentMap:
    """The map `T(q) = sigma_w^2 E[phi(beta + sqrt(q) z)^2] + sigma_b^2` of one infinitely wide layer, z ~ N(0, 1).

    q is the second moment of the pre-activations about `beta`, over weights and biases.

    Args:
        activation: phi.
        sigma_w: Standard deviation of the weights, times sqrt(fan_in); not negative.
        sigma_b: Standard deviation of the biases; not negative.
        beta: Mean of the biases.

    Raises:
        DomainError: If a number is out of range, or phi has a pole, so that its moments do not exist.

    References:
        Poole et al. 2016, arXiv:1606.05340, Eq. 3; Schoenholz et al. 2017, arXiv:1611.01232, Eq. 3.

    >>> from propstats.activations import activation
    >>> round(SecondMomentMap(activation("relu"), 1.5, 0.1).at(2.0).value, 12)  # 1.5^2 2/2 + 0.1^2
    2.26
    """

    activation: Activation
    sigma_w: float
    sigma_b: float
    beta: float = 0.0

    def __post_init__(self) -> None:
        for name, value in (("sigma_w", self.sigma_w), ("sigma_b", self.sigma_b)):
            if not 0.0 <= value <= 1e100:
                hint = "it is a standard deviation, from 0 to 1e100"
                raise DomainError(f"{name} must be a finite number and not negative, got {value:g}", hint)
        if not abs(self.beta) <= 1e100:
            raise DomainError(f"beta must be a finite number, got {self.beta:g}", "it is a mean, of 1e100 at most")
        pole = pole_in_reach(self.activation.formula, self.activation.params, mean=self.beta, std=1.0)
        if pole is not None:
            raise DomainError(pole, "mean field theory needs the second moment of the activation")

    def values(self, q: Array) -> tuple[Array, Array]:
        """Return T(q) and bounds on the errors; NaN and infinity where it is beyond floats or does not exist.

        Args:
            q: Second moments, not negative, shape (n).
        """
        moment, error = np.full(q.shape, np.nan), np.full(q.shape, np.inf)
        wide = self.is_wide_wave(q)
        for i in np.flatnonzero(wide).tolist():
            found = self._by_formula(float(q[i]))
            if found is not None:
                moment[i], error[i] = found.value, found.error
        todo = np.isnan(moment)
        if todo.any():
            many = quadrature.values(self.activation, self.beta, np.sqrt(q[todo]))
            moment[todo], error[todo] = many["second_moment"], many.error("second_moment")
        for i in np.flatnonzero(~wide & np.isnan(moment)).tolist():
            formula = self._by_formula(float(q[i]))
            if formula is not None:
                moment[i], error[i] = formula.value, formula.error
        return self._mapped(moment, error)

    def at(self, q: float) -> Estimate:
        """Return T(q) for one q; not finite where it is beyond floats or does not exist."""
        std, route = math.sqrt(q), Route.QUADRATURE
        moment, error = math.nan, math.inf
        if q == 0.0 or not self.is_wide_wave(q):
            try:
                one = quadrature.values(self.activation, self.beta, std)
            except OverflowError:
                return Estimate(math.inf, math.inf, route)
            moment, error = float(one["second_moment"]), float(one.error("second_moment"))
        if math.isnan(moment):
            formula = self._by_formula(q)
            if formula is not None:
                moment, error, route = formula.value, formula.error, formula.route
            elif self.is_wide_wave(q):
                one = quadrature.values(self.activation, self.beta, std)
                moment, error = float(one["second_moment"]), float(one.error("second_moment"))
        value, error = self._mapped(moment, error)
        return Estimate(value, error, route)

    def _mapped(self, moment: Any, error: Any) -> tuple[Any, Any]:
        """Return T(q) and a bound on its error from the second moment after the activation."""
        with np.errstate(all="ignore"):
            value = self.sigma_w**2 * moment + self.sigma_b**2
            return value, self.sigma_w**2 * error + 3 * EPS * abs(value)

    def slope(self, q: float, radius: float = 0.0) -> Estimate:
        """Return the slope `chi_q = T'(q)` at a q that is known to within a radius.

        `q T'(q) = sigma_w^2 (1/2) d E[phi^2]/d log s`, with s = sqrt(q): the rate of the variance, plus the mean times
        its own, `E[phi' (x - beta)] = s^2 d E[phi']/d beta`. Jumps of phi and phi' count in both.
        """

        def at(q: float) -> tuple[float, float]:
            std = math.sqrt(q)
            own = quadrature.moments(self.activation, mean=self.beta, std=std)
            mean, rate = own["mean"], own["var_rate"]
            slope = quadrature.moments(self._slope_activation, mean=self.beta, std=std)["linear_slope"]
            jumps = sum(
                jump * (kink - self.beta) / std * density((kink - self.beta) / std)
                for kink, jump in self.activation.jumps
            )
            mean_rate = q * slope.value + jumps
            value = rate.value + mean.value * mean_rate
            error = rate.error + abs(mean.value) * q * slope.error + mean.error * abs(mean_rate)
            return self.sigma_w**2 * value / q, self.sigma_w**2 * (error + 4 * EPS * abs(value)) / q

        return _over_interval(at, q, radius)

    def chi_1(self, q: float, radius: float = 0.0) -> Estimate:
        """Return `chi_1 = sigma_w^2 E[phi'^2]`, the factor by which a gradient's second moment changes in a layer.

        It is also the slope of the correlation map at 1, which is infinite where phi jumps.

        Args:
            q: The second moment.
            radius: How far q may be off.
        """
        if self.sigma_w > 0.0 and any(abs(jump) > SMALL_JUMP for _, jump in self.activation.jumps):
            return Estimate(math.inf, math.inf, Route.QUADRATURE)

        def at(q: float) -> tuple[float, float]:
            found = self.moments(q)["slope_second_moment"]
            return (
                self.sigma_w**2 * found.value,
                self.sigma_w**2 * found.error + 2 * EPS * self.sigma_w**2 * found.value,
            )

        return _over_interval(at, q, radius)

    def moments(self, q: float, route: Route = Route.QUADRATURE) -> Mapping[str, Estimate]:
        """Return the moments of the activation at q by one route."""
        by = closed_form.moments if route is Route.CLOSED_FORM else quadrature.moments
        return by(self.activation, mean=self.beta, std=math.sqrt(q))

    def is_wide_wave(self, q: Any) -> Any:
        """Whether inputs of a second moment (or several) see so many periods of a wave that integrals take long."""
        return np.sqrt(q) * self._waves > _WIDE

    @cached_property
    def floor(self) -> float:
        """The limit of T(q) at q = 0."""
        sides = self._at_beta(0)
        return self.sigma_w**2 * (sides[0] ** 2 + sides[1] ** 2) / 2 + self.sigma_b**2

    @cached_property
    def slope_at_zero(self) -> float:
        """The limit of chi_q, and of chi_1, at q = 0, if that is a fixed point: phi is a straight line on each side."""
        if self.sigma_w == 0.0:
            return 0.0
        sides = self._at_beta(1)
        jumps = any(kink == self.beta for kink, _ in self.activation.jumps)
        return math.inf if jumps else self.sigma_w**2 * (sides[0] ** 2 + sides[1] ** 2) / 2

    def _at_beta(self, derivative: int) -> tuple[float, float]:
        """Return phi (or its slope) just below and just above beta."""
        kink = next((kink for kink in branches(self.activation).kinks if kink.at == self.beta), None)
        if kink is not None:
            return float(kink.below[derivative]), float(kink.above[derivative])
        value = float((self.activation.slope if derivative else self.activation)(self.beta))
        return value, value

    @cached_property
    def starts_at_zero(self) -> bool:
        """Whether q = 0 is a fixed point: no bias (or one whose square underflows), and phi(beta) = 0."""
        return self.sigma_b**2 < LOWEST and (self.sigma_w == 0.0 or float(self.activation(self.beta)) == 0.0)

    @property
    def _slope_activation(self) -> Activation:
        return Activation("slope", str_of(self.activation.slope_formula), self.activation.params)

    @cached_property
    def _waves(self) -> float:
        """The highest frequency of a wave in the activation; 0 if there is none."""
        own = branches(self.activation)
        features = [feature for branch in own.features for feature in branch if feature.function in ("sin", "cos")]
        return max((float(abs(value_of(feature.rate, own.params))) for feature in features), default=0.0)

    def _by_formula(self, q: float) -> Estimate | None:
        if self._formula is None:
            return None
        symbols = {"mu": self.beta, "s": math.sqrt(q), **self.activation.params}
        number = evaluate_rounded(self._formula, {name: Rounded(value) for name, value in symbols.items()})
        found = Estimate(number.value, number.error, Route.CLOSED_FORM)
        if not found.error <= _TRUSTED * abs(found.value):  # the route itself knows how to sharpen it
            found = self.moments(q, Route.CLOSED_FORM)["second_moment"]
        return found if found.is_defined and found.error <= _TRUSTED * abs(found.value) else None

    @property
    def has_formula(self) -> bool:
        """Whether the second moment has a closed form."""
        return self._formula is not None

    @cached_property
    def _formula(self) -> Expr | None:
        return closed_form.formulas(self.activation, mean=self.beta, std=math.nan).get("second_moment")


def _over_interval(at: Callable[[float], tuple[float, float]], q: float, radius: float) -> Estimate:
    """Return a function of q with its error, and what it changes within a radius around q."""
    value, error = at(q)
    ends = [at(end)[0] for end in (max(q - radius, q / 2), q + radius)] if radius > 0.0 else []
    error += max((abs(end - value) for end in ends), default=0.0)
    return Estimate(value, error if error > _NOTHING else 0.0, Route.QUADRATURE)
