"""The Hermite spectrum of an activation: of which degrees its output is made."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from propstats.activations import Activation, activation
from propstats.activations.own import from_expression
from propstats.errors import CertificateError, DomainError
from propstats.estimate import Estimate, Quantity, Route
from propstats.expectation import quadrature
from propstats.theory.unit import Input

_HIGHEST = 40


@dataclass(frozen=True, slots=True)
class HermiteTerm:
    """One degree of the expansion.

    Args:
        degree: n.
        coefficient: `a_n = E[phi(mu + s z) h_n(z)]`, `h_n` orthonormal.
        share: `a_n^2/Var phi`; None for n = 0, which is no part of the variance.
    """

    degree: int
    coefficient: Quantity
    share: float | None


@dataclass(frozen=True, slots=True)
class HermiteSpectrum:
    """Everything `propstats hermite` prints.

    Args:
        activation: The activation.
        params: Its parameters.
        input: The Gaussian that it receives.
        terms: The degrees from 0 on.
        var: `Var phi = sum_{n >= 1} a_n^2`.
        mean_degree: `sum n a_n^2/Var phi = s^2 E[phi'^2]/Var phi = J^2`, what a layer that keeps its variance
            multiplies a gradient's mean square by.
        covered: The share of the variance that the terms make up.
        notes: What a reader should know of the routes.
    """

    activation: str
    params: Mapping[str, float]
    input: Input
    terms: tuple[HermiteTerm, ...]
    var: Estimate
    mean_degree: Estimate
    covered: float
    notes: tuple[str, ...] = ()

    @property
    def agree(self) -> bool:
        """Whether all routes agree on all coefficients."""
        return all(term.coefficient.agree for term in self.terms)


def hermite(
    act: str | Activation,
    *,
    mean: float = 0.0,
    std: float = 1.0,
    degree: int = 8,
    digits: int | None = 30,
    timeout: float = 10.0,
    **params: float,
) -> HermiteSpectrum:
    """Expand an activation in Hermite polynomials, `phi(mu + s z) = sum_n a_n h_n(z)`.

    Growth of gradients and nonlinearity are two readings of one spectrum: `J^2` is the mean degree, and what is not of
    degree 1 is the nonlinear share of the variance.

    Args:
        act: Name of an activation, or an activation.
        mean: mu.
        std: s; positive.
        degree: The highest degree.
        digits: Digits that the certified route proves; None leaves it out.
        timeout: Seconds that the certified route may take for each coefficient.
        **params: Parameters of the activation.

    Raises:
        DomainError: If a number is out of range.
        UnknownNameError: If the activation or a parameter is not known.

    References:
        Daniely, Frostig & Singer 2016, arXiv:1602.05897, section 4 (dual activations).

    >>> relu = hermite("relu", degree=2, digits=None)
    >>> [round(term.coefficient.value, 12) for term in relu.terms]  # 1/sqrt(2 pi), 1/2, 1/(2 sqrt(pi))
    [0.398942280401, 0.5, 0.282094791774]
    >>> round(relu.mean_degree.value, 12)
    1.466942206924
    """
    unit = activation(act, **params)
    if not (math.isfinite(mean) and math.isfinite(std) and std > 0):
        raise DomainError(f"mean must be finite and std positive, got mean {mean:g} and std {std:g}")
    if not 0 <= degree <= _HIGHEST:
        raise DomainError(f"degree must be between 0 and {_HIGHEST}, got {degree}")
    moments = quadrature.moments(unit, mean=mean, std=std)
    var, factor = moments["var"], moments["jacobian_factor"]
    terms, notes = [], []
    for n in range(degree + 1):
        coefficient, note = _coefficient(unit, n, mean, std, digits, timeout)
        share = coefficient.value**2 / var.value if n and var.value > 0 else None
        terms.append(HermiteTerm(n, coefficient, share))
        notes += [note] if note else []
    return HermiteSpectrum(
        activation=unit.name,
        params=unit.params,
        input=Input(mean, std),
        terms=tuple(terms),
        var=var,
        mean_degree=Estimate(factor.value**2, 2 * abs(factor.value) * factor.error, factor.route),
        covered=math.fsum(term.share for term in terms if term.share is not None),
        notes=tuple(dict.fromkeys(notes)),
    )


def _coefficient(
    unit: Activation, n: int, mean: float, std: float, digits: int | None, timeout: float
) -> tuple[Quantity, str | None]:
    """Return a coefficient by every route, and what is to be said of them."""
    z = f"((x - {mean!r})/{std!r})" if (mean, std) != (0.0, 1.0) else "x"
    product = from_expression(f"({unit.text})*({_polynomial(n, z)})", **unit.params)
    scale = 1.0 / math.sqrt(math.factorial(n))
    routes = {Route.QUADRATURE: _times(quadrature.moments(product, mean=mean, std=std)["mean"], scale)}
    note = None
    if digits is not None:
        from propstats.activations.syntax import parse
        from propstats.expectation import certified

        formula = parse(f"({product.text})/sqrt({math.factorial(n)})", {"x", *product.params})
        try:
            routes[Route.CERTIFIED] = certified.expectation(
                formula, product.params, mean=mean, std=std, digits=digits, timeout=timeout
            )
        except CertificateError as error:
            note = str(error)
    return Quantity.of(routes), note


def _times(estimate: Estimate, scale: float) -> Estimate:
    """Scale an estimate; the scale is right to an ulp, and so is the product."""
    value = estimate.value * scale
    return Estimate(value, estimate.error * scale + 4e-16 * abs(value), estimate.route)


def _polynomial(n: int, z: str) -> str:
    """Return `He_n(z)` in Horner's form: integer coefficients, and no cancellation beyond the polynomial's own.

    >>> _polynomial(3, "x"), _polynomial(4, "x")
    ('x*(-3 + x**2)', '3 + x**2*(-6 + x**2)')
    """
    lower, upper = [1], [0, 1]  # He_0 and He_1, by ascending powers; He_{k+1} = z He_k - k He_{k-1}
    if n == 0:
        return "1"
    for k in range(1, n):
        following = [0, *upper]
        for power, coefficient in enumerate(lower):
            following[power] -= k * coefficient
        lower, upper = upper, following
    *rest, leading = upper[n % 2 :: 2]
    text = str(leading)
    for coefficient in reversed(rest):
        text = f"{coefficient} + {z}**2" + ("" if text == "1" else f"*({text})")
    return text if n % 2 == 0 else z if text == "1" else f"{z}*({text})"
