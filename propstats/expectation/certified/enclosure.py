"""Formulas far out, enclosed between functions that are easy to integrate.

For `x = mu + s z` and `t = |z| >= T`, every subtree is enclosed between two exponential sums in t, from the leaves up.
"""

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from propstats.activations.expression import Call, Expr, Symbol, evaluate
from propstats.activations.syntax import parse
from propstats.expectation.certified import exponential_sums as sums
from propstats.expectation.certified.bounds import UNKNOWN, Bound, BoundArithmetic
from propstats.expectation.certified.exponential_sums import ONE, Range, Sum

#: `exp(-t)` over the density of `N(0, 1)`, without its constant: what is integrable with it is so as a tail.
_CLOSE = (Fraction(1, 2), -1, 0)
_DENSITY_AT_0 = parse("1/sqrt(2*pi)", set())
#: Functions with values in an interval that does not depend on the argument.
_BOUNDED = {
    "sin": (-1, 1),
    "cos": (-1, 1),
    "sign": (-1, 1),
    "atan": (-2, 2),
    "tanh": (-1, 1),
    "erf": (-1, 1),
    "between": (-1, 1),
    "owens_t": (-1, 1),
}
#: Functions that are at most twice their argument: near a zero of that they vanish too.
_AT_MOST_TWICE = ("sin", "atan", "tanh", "erf")


class Tail(BoundArithmetic):
    """Bounds on formulas in `x = mean + side*std*t`, for `t` in a range.

    Args:
        where: From which t on.
        mean: A coefficient.
        std: A coefficient.
        side: 1 for the upper tail, -1 for the lower one.
        symbols: The parameters, as coefficients.
        constants: The namespace in which formulas without x are evaluated.
    """

    def __init__(
        self, where: Range, mean: Any, std: Any, side: int, symbols: Mapping[str, Any], constants: Mapping[str, Any]
    ) -> None:
        super().__init__(where)
        self._x = self.exact(sums.plus({ONE: mean}, {(0, 0, 1): side * std}))
        self._symbols, self._constants = symbols, constants
        # By identity, with the tree itself: an identity is only as good as the life of its object.
        self._bounds: dict[int, tuple[Expr, Bound]] = {}
        self._varying: dict[int, tuple[Expr, bool]] = {}

    def bound(self, expr: Expr) -> Bound:
        """Enclose a formula."""
        known = self._bounds.get(id(expr))
        if known is None:
            known = self._bounds[id(expr)] = (expr, self._bound(expr))
        return known[1]

    def _bound(self, expr: Expr) -> Bound:
        if isinstance(expr, Symbol) and expr.name == "x":
            return self._x
        if not isinstance(expr, Call) or not self._has_x(expr):
            value = evaluate(expr, self._symbols, self._constants)
            return self.exact({} if value == 0 else {ONE: value})
        if expr.function in _BOUNDED:
            return self.between(*_BOUNDED[expr.function])
        rule = getattr(self, f"_on_{expr.function}", None)
        return UNKNOWN if rule is None else rule(*expr.args)

    def _has_x(self, expr: Expr) -> bool:
        if not isinstance(expr, Call):
            return isinstance(expr, Symbol) and expr.name == "x"
        known = self._varying.get(id(expr))
        if known is None:
            known = self._varying[id(expr)] = (expr, any(map(self._has_x, expr.args)))
        return known[1]

    # One rule for each function, named after it.

    def _on_add(self, u: Expr, v: Expr) -> Bound:
        return self.plus(self.bound(u), self.bound(v))

    def _on_sub(self, u: Expr, v: Expr) -> Bound:
        return self.plus(self.bound(u), self.negative(self.bound(v)))

    def _on_neg(self, u: Expr) -> Bound:
        return self.negative(self.bound(u))

    def _on_mul(self, u: Expr, v: Expr) -> Bound:
        return self.times(self.bound(u), self.bound(v))

    def _on_div(self, u: Expr, v: Expr) -> Bound:
        return self.times(self.bound(u), self.inverse(self.bound(v)))

    def _on_pow(self, u: Expr, v: Expr) -> Bound:
        exponent = self._rational(v)
        if exponent is not None:
            return self.power(self.bound(u), exponent)
        return self.exp_of(self.times(self.bound(v), self.log_of(self.bound(u))))

    def _on_exp(self, u: Expr) -> Bound:
        return self.exp_of(self.bound(u))

    def _on_expm1(self, u: Expr) -> Bound:
        return self.plus(self._on_exp(u), self.exact(self.constant(-1)))

    def _on_log(self, u: Expr) -> Bound:
        return self.log_of(self.bound(u))

    def _on_log1p(self, u: Expr) -> Bound:
        return self.log_of(self.plus(self.bound(u), self.exact(self.constant(1))))

    def _on_sqrt(self, u: Expr) -> Bound:
        return self.fractional_power(self.bound(u), Fraction(1, 2))

    def _on_abs(self, u: Expr) -> Bound:
        inner = self.bound(u)
        if self.is_nonnegative(inner):
            return inner
        return self.negative(inner) if self.is_nonpositive(inner) else Bound({}, self.size(inner))

    def _on_asinh(self, u: Expr) -> Bound:
        """Not larger than its argument, and of its sign."""
        inner = self.bound(u)
        size = self.size(inner)
        if size is None:
            return UNKNOWN
        low: Sum = {} if self.is_nonnegative(inner) else sums.negative(size)
        return Bound(low, {} if self.is_nonpositive(inner) else size)

    def _on_tanhshrink(self, u: Expr) -> Bound:
        return self._on_asinh(u)

    def _on_softplus(self, u: Expr) -> Bound:
        """`max(u, 0) <= softplus(u) <= max(u, 0) + log 2`, and at most `exp(u)`."""
        inner = self.bound(u)
        if self.is_nonpositive(inner):
            return Bound({}, self.exp_of(inner).high)
        size = self.size(inner)
        low = inner.low if self.is_nonnegative(inner) else {}
        return Bound(low, None if size is None else sums.plus(size, self.constant(1)))

    def _on_sigmoid(self, u: Expr) -> Bound:
        return self._decaying(self.bound(u), 1, lambda inner: inner)

    def _on_sech2(self, u: Expr) -> Bound:
        inner = self.bound(u)
        if self.is_nonnegative(inner):
            inner = self.negative(inner)
        return self._decaying(inner, 4, lambda v: self.times(v, self.exact(self.constant(2))))

    def _on_Phi(self, u: Expr) -> Bound:  # noqa: N802 - named after the function
        return self._decaying(self.bound(u), 1, self._half_square)

    def _on_phi(self, u: Expr) -> Bound:
        exponent = self.exp_of(self._half_square(self.bound(u)))
        density = evaluate(_DENSITY_AT_0, {}, self._constants)
        return self.times(exponent, self.exact({ONE: density}))

    def _on_expPhi(self, u: Expr, v: Expr) -> Bound:  # noqa: N802 - named after the function
        return self.times(self._on_exp(u), self._on_Phi(v))

    def _on_where(self, condition: Expr, then: Expr, otherwise: Expr) -> Bound:
        """The branch that is taken from T on, or what holds in both."""
        assert isinstance(condition, Call)
        difference = self._on_sub(*condition.args)
        if self.is_nonpositive(difference):
            return self.bound(otherwise)
        if self.is_nonnegative(difference):
            return self.bound(then)
        branches = self.bound(then), self.bound(otherwise)
        sizes = [self.size(branch) for branch in branches]
        if sizes[0] is None or sizes[1] is None:
            return UNKNOWN
        size = sums.larger(sizes[0], sizes[1])
        return Bound({} if all(map(self.is_nonnegative, branches)) else sums.negative(size), size)

    def _rational(self, expr: Expr) -> Any:
        """Return the rational number that a formula without x is, or None."""
        if self._has_x(expr):
            return None
        value = evaluate(expr, self._symbols, self._constants)
        number = self.scalars.up(value)
        return number if number == self.scalars.down(value) else None

    def _half_square(self, u: Bound) -> Bound:
        half = self.exact({ONE: -self.scalars.number(1) / 2})
        return self.times(self.power(u, 2), half)

    def _decaying(self, u: Bound, factor: int, exponent: Any) -> Bound:
        """Something in [0, 1] that is at most `factor*exp(exponent(u))` where u is negative."""
        if not self.is_nonpositive(u):
            return self.between(0, 1)
        high = self.exp_of(exponent(u)).high
        return Bound({}, self.constant(1) if high is None else sums.times(high, self.constant(factor)))


class Near(Tail):
    """Bounds on formulas in the distance `x = std*exp(-t)` from a point, for t in a range.

    Args:
        where: From which t on.
        std: A coefficient.
        symbols: The parameters, as coefficients.
        constants: The namespace in which formulas without x are evaluated.
    """

    def __init__(self, where: Range, std: Any, symbols: Mapping[str, Any], constants: Mapping[str, Any]) -> None:
        super().__init__(where, 0 * std, std, 1, symbols, constants)
        self._x = self.exact({(0, -1, 0): std})

    def _bound(self, expr: Expr) -> Bound:
        if isinstance(expr, Call) and expr.function in _AT_MOST_TWICE:
            inner = self.size(self.bound(expr.args[0]))
            if inner and max(inner) < ONE:
                size = sums.times(inner, self.constant(2))
                return Bound(sums.negative(size), size)
        return super()._bound(expr)

    def integrand(self, expr: Expr) -> Bound:
        """Enclose a formula times `exp(-t)`, over the density of `N(0, 1)` without its constant."""
        return self.times(self.bound(expr), self.exact({_CLOSE: self.scalars.number(1)}))
