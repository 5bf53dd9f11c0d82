"""The closed-form route: formulas derived from the activation's own, evaluated with a bound on their rounding."""

import math
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import lru_cache, partial

from propstats.activations.activation import Activation
from propstats.activations.compile import compiled
from propstats.activations.derivative import differentiate
from propstats.activations.expression import ONE, ZERO, Expr, Namespace, call, substitute, symbols_of
from propstats.activations.namespaces import float_namespace
from propstats.activations.pieces import Piece
from propstats.activations.polynomial import canonical, shorter, to_expr
from propstats.activations.syntax import parse
from propstats.errors import CertificateError, DomainError, ExpressionError
from propstats.estimate import Estimate, Route
from propstats.expectation.derived import complete
from propstats.expectation.moments import BASE, derived_formulas
from propstats.expectation.point_mass import point_mass
from propstats.expectation.quadrature.existence import undefined_moments
from propstats.expectation.rounding import Rounded, rounded_namespace
from propstats.expectation.symbolic.constants import named, unnamed
from propstats.expectation.symbolic.reduction import even_part, reduce_pieces

#: Beyond this a formula is evaluated once more, with as many digits as its cancellation needs.
_ABSOLUTE, _RELATIVE, _ROUNDED = 1e-15, 1e-12, 4e-16
_SHARP_DIGITS = 17


def formulas(activation: Activation, *, mean: float = 0.0, std: float = 1.0) -> dict[str, Expr]:
    """Return the closed forms that exist, as trees in `mu`, `s` and the parameters.

    A mean of 0 and a standard deviation of 1 are put in, which shortens the formulas and, by symmetry, adds some.

    >>> from propstats.activations import activation
    >>> from propstats.activations.syntax import str_of
    >>> str_of(formulas(activation("prelu"))["mean"])
    '(1 - a)/sqrt(2*pi)'
    """
    unit, constants = named(activation)
    try:
        pieces = unit.pieces
    except ExpressionError:
        return {}  # no closed form without all kinks
    known = _base_formulas(pieces, bool(unit.jumps), mean == 0.0, std == 1.0)
    # By symmetry an odd function has mean 0, unless it has none.
    undefined = undefined_moments(activation) if any(form == ZERO for form in known.values()) else frozenset()
    found = {name: form for name, form in known.items() if name not in undefined}
    for name, formula in derived_formulas().items():
        if symbols_of(formula) <= {"s", *found}:
            found[name] = substitute(formula, {**found, **({"s": ONE} if std == 1.0 else {})})
    return {name: unnamed(formula, constants) for name, formula in found.items()} if constants else found


@lru_cache(maxsize=256)
def _general_formulas(pieces: tuple[Piece, ...], jumps: bool) -> dict[str, Expr]:
    """Derive the base moments under `N(mu, s^2)`."""
    found: dict[str, Expr] = {}
    for name, integrand in _INTEGRANDS.items():
        reduction = reduce_pieces(_of_pieces(pieces, integrand))
        if reduction.is_closed:
            found[name] = to_expr(reduction.value)
    if {"mean", "second_moment"} <= found.keys():
        found["var"] = _variance(found)
        found["var_rate"] = call("mul", parse("s/2", {"s"}), differentiate(found["var"], "s"))
    if jumps and "mean" in found:
        found["linear_slope"] = canonical(differentiate(found["mean"], "mu"))
    elif "mean_slope" in found and not jumps:
        found["linear_slope"] = found["mean_slope"]
    return found


#: The base moments that are expectations of something made of the formula and its slope.
_INTEGRANDS: Mapping[str, Callable[[Expr], Expr]] = {
    "mean": lambda f: f,
    "second_moment": lambda f: call("mul", f, f),
    "mean_slope": lambda f: differentiate(f, "x"),
    "slope_second_moment": lambda f: call("mul", differentiate(f, "x"), differentiate(f, "x")),
}


def _of_pieces(pieces: tuple[Piece, ...], integrand: Callable[[Expr], Expr]) -> tuple[Piece, ...]:
    return tuple(Piece(piece.low, piece.high, integrand(piece.formula)) for piece in pieces)


@lru_cache(maxsize=256)
def _base_formulas(pieces: tuple[Piece, ...], jumps: bool, centred: bool, unit: bool) -> dict[str, Expr]:
    """Derive the base moments, with what is known of mu and s put in."""
    found = dict(_general_formulas(pieces, jumps))
    if centred:
        for name in _INTEGRANDS.keys() - found.keys():
            even = even_part(_of_pieces(pieces, _INTEGRANDS[name]))
            reduction = reduce_pieces(even, ZERO) if even is not None else None
            if reduction is not None and reduction.is_closed:
                found[name] = to_expr(reduction.value)
        if "mean_slope" in found and not jumps:
            found.setdefault("linear_slope", found["mean_slope"])
    known = {name: value for name, value, given in (("mu", ZERO, centred), ("s", ONE, unit)) if given}
    if known:
        found = _with_values(found, known)
    return found


def _with_values(forms: Mapping[str, Expr], values: Mapping[str, Expr]) -> dict[str, Expr]:
    """Put numbers into formulas; those that have no value there are left out."""
    found = {}
    for name in forms.keys() - {"var", "var_rate"}:
        with suppress(ExpressionError):
            found[name] = canonical(substitute(forms[name], values))
    if "var" in forms and {"mean", "second_moment"} <= found.keys():
        found["var"] = _variance(found)
        # For evaluation only: it is long in any form.
        found["var_rate"] = substitute(forms["var_rate"], values)
    return found


def _variance(found: Mapping[str, Expr]) -> Expr:
    """Return the variance as a difference, or multiplied out if that is shorter."""
    var = call("sub", found["second_moment"], call("pow", found["mean"], parse("2", set())))
    return shorter(var)


def moments(activation: Activation, *, mean: float = 0.0, std: float = 1.0) -> Mapping[str, Estimate]:
    """Return the base moments and the derived quantities that have a closed form.

    Args:
        activation: The activation.
        mean: Mean of the input.
        std: Standard deviation of the input; at 0 the input is the number `mean`.
    """
    if std == 0.0:
        return point_mass(activation, mean, Route.CLOSED_FORM)
    forms = {name: form for name, form in formulas(activation, mean=mean, std=std).items() if name in BASE}
    symbols = {"mu": mean, "s": std, **activation.params}
    evaluated = _compiled(tuple(forms.values()), tuple(symbols), rounded_namespace)(*map(Rounded, symbols.values()))
    base = {name: _sharpened(forms[name], number, symbols) for name, number in zip(forms, evaluated, strict=True)}
    return complete(base, std, Route.CLOSED_FORM)


@lru_cache(maxsize=1024)
def _compiled(
    forms: tuple[Expr, ...], arguments: tuple[str, ...], namespace: Callable[[], Namespace]
) -> Callable[..., tuple[Rounded, ...]]:
    return compiled(forms, arguments, namespace())


def _sharpened(form: Expr, number: Rounded, symbols: Mapping[str, float]) -> Rounded:
    """Evaluate again in ball arithmetic where double precision lost too much."""
    if number.error <= max(_ROUNDED * abs(number.value), min(_ABSOLUTE, _RELATIVE * abs(number.value))):
        return number
    from propstats.expectation import certified

    try:
        sharp = certified.constant(form, symbols, digits=_SHARP_DIGITS)
    except (CertificateError, DomainError):
        return number
    return Rounded(sharp.value, sharp.error)


def function(
    activation: Activation, names: tuple[str, ...] = tuple(BASE)
) -> Callable[[float, float], tuple[float, ...]]:
    """Return a fast function of mean and standard deviation for some base moments, without error bounds.

    It is meant for inner loops: a few microseconds a call. Far from the origin it loses to cancellation what `moments`
    does not.

    Raises:
        ExpressionError: If one of the moments has no closed form.

    >>> from propstats.activations import activation
    >>> function(activation("relu"), ("mean", "second_moment"))(0.0, 2.0)  # 2/sqrt(2 pi), 2
    (0.7978845608028654, 2.0)
    """
    forms = formulas(activation, mean=math.nan, std=math.nan)
    missing = [name for name in names if name not in forms]
    if missing:
        raise ExpressionError(f"{activation} has no closed form for {', '.join(missing)}", "use quadrature")
    inner = compiled([forms[name] for name in names], ["mu", "s", *activation.params], float_namespace())
    return partial(_with_params, inner, tuple(activation.params.values())) if activation.params else inner


def _with_params(
    inner: Callable[..., tuple[float, ...]], params: tuple[float, ...], mean: float, std: float
) -> tuple[float, ...]:
    return inner(mean, std, *params)
