"""The functions of formulas in ball arithmetic: every result is a complex box that provably holds the exact value.

python-flint wraps Arb (Johansson 2017, "Arb: efficient arbitrary-precision midpoint-radius interval arithmetic").
Integration asks for more than values: on a box that a branch cut enters, a function is not analytic and must say so.
"""

import operator
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from propstats.activations.expression import Namespace
from propstats.errors import CertificateError
from propstats.expectation.certified.boxes import (
    density_at_0,
    indeterminate,
    is_negative,
    meets_the_imaginary_cuts,
    meets_the_negative_axis,
    minus_root_half,
)

if TYPE_CHECKING:
    from flint import acb, arb

#: Powers of 2 that are larger, or whose reciprocals are smaller, are not written as fractions.
_LARGEST = 1 << 16


@contextmanager
def precision(bits: int) -> Iterator[None]:
    """Compute with so many bits inside, and with as many as before afterwards."""
    from flint import ctx

    before = ctx.prec
    ctx.prec = bits
    try:
        yield
    finally:
        ctx.prec = before


def exact(value: float | Fraction) -> "arb":
    """Turn a number into the ball around it, which is a point unless a division was needed."""
    import flint  # looking names up in it is cheaper than importing them, thousands of times

    if isinstance(value, Fraction):
        return flint.arb(flint.fmpq(value.numerator, value.denominator))
    return flint.arb(value)


def ends(ball: "arb") -> tuple[Fraction, Fraction]:
    """Return rational bounds on what is in a finite ball: its ends, unless these are astronomically small.

    Raises:
        CertificateError: If they are astronomically large.
    """
    from flint import arb

    if not abs(ball) < arb(2) ** _LARGEST:
        raise CertificateError("no certificate: a number beyond all bounds")
    # Not lower() and upper(), which round to the present precision.
    middle, scale, slack = _dyadic(ball.mid())
    radius, other, more = _dyadic(ball.rad())
    # In whole numbers: fractions look for common divisors at every step.
    least = min(scale, other, -_LARGEST if slack or more else 0)
    middle <<= scale - least
    radius = (radius << (other - least)) + slack + more
    low, high = (
        Fraction(end << least) if least >= 0 else Fraction(end, 1 << -least)
        for end in (middle - radius, middle + radius)
    )
    return low, high


def _dyadic(point: "arb") -> tuple[int, int, int]:
    """Return m and e of a point `m 2^e`, and how far off that may be, in `2^-_LARGEST`: more than 0 if it nearly is."""
    mantissa, exponent = (int(part) for part in point.man_exp())
    if mantissa and exponent < -_LARGEST:
        return 0, 0, 1 << mantissa.bit_length()
    return mantissa, exponent, 0


class Balls:
    """The namespace of complex balls.

    Args:
        is_analytic: While true, a function returns a box that is not finite where it is not analytic on the whole
            argument.
    """

    def __init__(self) -> None:
        from flint import ctx

        self.is_analytic, self._context = False, ctx
        self._constants: dict[tuple[str, int], acb] = {}

    @property
    def namespace(self) -> Namespace:
        """What each function name means."""
        plain = ("exp", "expm1", "sin", "cos", "tanh", "erf")
        own = ("log", "log1p", "sqrt", "pow", "atan", "asinh", "abs", "sign", "gt", "where", "sech2", "sigmoid")
        more = ("softplus", "tanhshrink", "Phi", "phi", "between", "expPhi", "owens_t", "number", "pi")
        return {
            **{name: getattr(operator, name) for name in ("add", "sub", "mul", "neg")},
            "div": operator.truediv,
            **{name: operator.methodcaller(name) for name in plain},
            **{name: getattr(self, f"_{name}") for name in (*own, *more)},
        }

    @property
    def reals(self) -> Namespace:
        """The same for real balls."""
        return {name: _real(function) for name, function in self.namespace.items()}

    def _number(self, value: Fraction) -> "acb":
        from flint import acb

        return acb(exact(value))

    def _pi(self) -> "acb":
        from flint import acb

        return acb.pi()

    def _constant(self, name: str, make: Callable[[], "acb"]) -> "acb":
        key = name, self._context.prec
        if key not in self._constants:
            self._constants[key] = make()
        return self._constants[key]

    # What has branch cuts; where the real function has no value, a complex one would be a wrong answer.

    def _log(self, u: "acb") -> "acb":
        return indeterminate() if is_negative(u) else u.log(analytic=self.is_analytic)

    def _sqrt(self, u: "acb") -> "acb":
        return indeterminate() if is_negative(u) else u.sqrt(analytic=self.is_analytic)

    def _pow(self, u: "acb", v: "acb") -> "acb":
        if not v.real.is_integer() and is_negative(u):
            return indeterminate()
        return u.pow(v, analytic=self.is_analytic)

    def _log1p(self, u: "acb") -> "acb":
        if is_negative(1 + u) or (self.is_analytic and meets_the_negative_axis(1 + u)):
            return indeterminate()
        return u.log1p()

    def _atan(self, u: "acb") -> "acb":
        return indeterminate() if self.is_analytic and meets_the_imaginary_cuts(u) else u.atan()

    def _asinh(self, u: "acb") -> "acb":
        """On boxes by the textbook formula in the right half plane; Arb's own function gives up on wide ones."""
        from flint import acb

        if u.imag.is_zero():
            return acb(u.real.asinh())
        if self.is_analytic and meets_the_imaginary_cuts(u):
            return indeterminate()
        if u.real < 0:
            return -self._asinh(-u)
        return (u + (1 + u * u).sqrt()).log()

    def _abs(self, u: "acb") -> "acb":
        return u.real_abs(analytic=self.is_analytic)

    def _sign(self, u: "acb") -> "acb":
        return u.real_sgn(analytic=self.is_analytic)

    def _gt(self, u: "acb", v: "acb") -> bool:
        """Compare real balls; where they overlap, they must be known to be the same number."""
        if u.real > v.real:
            return True
        if u.real <= v.real:
            return False
        raise CertificateError(f"cannot decide whether {u.real.str(20)} is larger than {v.real.str(20)}")

    def _where(self, condition: bool, then: "acb", otherwise: "acb") -> "acb":
        return then if condition else otherwise

    # What would lose digits, or its finite value, if it were written as in a textbook.

    def _sigmoid(self, u: "acb") -> "acb":
        if u.real > 0:
            return 1 / (1 + (-u).exp())
        rise = u.exp()
        return rise / (1 + rise)

    def _sech2(self, u: "acb") -> "acb":
        once = u.sech()
        return once * once

    def _softplus(self, u: "acb") -> "acb":
        return u + self._log1p((-u).exp()) if u.real > 0 else self._log1p(u.exp())

    def _tanhshrink(self, u: "acb") -> "acb":
        return u - u.tanh()

    def _Phi(self, u: "acb") -> "acb":  # noqa: N802 - named after the function
        return (u * self._constant("Phi", minus_root_half)).erfc() / 2

    def _phi(self, u: "acb") -> "acb":
        return (u * u / -2).exp() * self._constant("phi", density_at_0)

    def _between(self, u: "acb", v: "acb") -> "acb":
        return self._Phi(-u) - self._Phi(-v) if u.real > 0 else self._Phi(v) - self._Phi(u)

    def _expPhi(self, u: "acb", v: "acb") -> "acb":  # noqa: N802 - named after the function
        return u.exp() * self._Phi(v)

    def _owens_t(self, h: "acb", a: "acb") -> "acb":
        """Owen's T by its integral: exp(-h^2 (1 + t^2)/2)/(1 + t^2)/(2 pi) from 0 to a."""
        from flint import acb

        exponent = h * h / -2

        def integrand(t: acb, _: bool) -> acb:
            w = 1 + (a * t) ** 2
            return (exponent * w).exp() / w

        return a * acb.integral(integrand, 0, 1) / (2 * acb.pi())


def _real(function: Any) -> Any:
    """Wrap a function of complex balls for real ones."""
    from flint import acb, arb

    def real(*args: Any) -> Any:
        value = function(*(acb(arg) if isinstance(arg, arb) else arg for arg in args))
        return value.real if isinstance(value, acb) else value

    return real
