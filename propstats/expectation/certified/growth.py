"""Whether a formula grows too fast for its expectation to exist: asked by every route before it computes a number."""

from collections.abc import Mapping

from propstats.activations.expression import Expr, evaluate
from propstats.activations.namespaces import float_namespace
from propstats.activations.pieces import pieces
from propstats.activations.syntax import str_of
from propstats.errors import ExpressionError
from propstats.expectation.certified.bounds import Bound
from propstats.expectation.certified.enclosure import Near, Tail
from propstats.expectation.certified.exponential_sums import FLOATS, Range, is_integrable
from propstats.expectation.certified.poles import find_pole
from propstats.expectation.singularities import near, parts_of


def exists(formula: Expr, params: Mapping[str, float], *, mean: float, std: float) -> bool | None:
    """Decide whether the expectation of a formula in x under `N(mean, std^2)` exists; None where that is not known.

    In plain floats: cheap enough to ask before every integral.

    >>> from propstats.activations.syntax import parse
    >>> square = parse("exp(x**2)", {"x"})
    >>> exists(square, {}, mean=0.0, std=1.0), exists(square, {}, mean=0.0, std=0.7)
    (False, True)
    """
    if std == 0.0:
        return True
    if find_pole(formula, params) is not None or find_divergence(formula, params, std=std) is not None:
        return False
    return _is_bounded(formula, params, mean, std)


def obstacle(formula: Expr, params: Mapping[str, float], *, mean: float, std: float) -> str | None:
    """Say in one line why an expectation certainly does not exist; None if it may exist.

    >>> from propstats.activations.syntax import parse
    >>> obstacle(parse("1/x", {"x"}), {}, mean=0.0, std=1.0)
    'the expectation of 1/x does not exist: it has a pole at x = 0, which N(0, 1) reaches'
    """
    why = cause(formula, params, mean=mean, std=std)
    return None if why is None else f"{_missing(formula)}: it {why}"


def cause(formula: Expr, params: Mapping[str, float], *, mean: float, std: float) -> str | None:
    """Say what about a formula leaves it without an expectation; None if it may have one.

    >>> from propstats.activations.syntax import parse
    >>> cause(parse("1/x", {"x"}), {}, mean=0.0, std=1.0)
    'has a pole at x = 0, which N(0, 1) reaches'
    """
    if std == 0.0:
        return None
    pole = find_pole(formula, params)
    if pole is not None:
        return f"has a pole at x = {pole:g}, which {law(mean, std)} reaches"
    point = find_divergence(formula, params, std=std)
    if point is not None:
        return f"is not integrable at x = {point:g}, which {law(mean, std)} reaches"
    return growth(formula, params, mean=mean, std=std)


def growth(formula: Expr, params: Mapping[str, float], *, mean: float, std: float) -> str | None:
    """Say that a formula grows too fast, as `cause` does; None if it certainly does not, or that is not known."""
    if std == 0.0:
        return None
    return f"outgrows the density of {law(mean, std)}" if _is_bounded(formula, params, mean, std) is False else None


def pole_in_reach(formula: Expr, params: Mapping[str, float], *, mean: float, std: float) -> str | None:
    """Say in one line that a pole stands in the way; None if none was found."""
    pole = find_pole(formula, params) if std else None
    if pole is None:
        return None
    return f"{_missing(formula)}: it has a pole at x = {pole:g}, which {law(mean, std)} reaches"


def diverges_near(formula: Expr, params: Mapping[str, float], *, std: float) -> bool:
    """Whether a formula in the distance x from a point is certainly not integrable there.

    >>> from propstats.activations.syntax import parse
    >>> diverges_near(parse("log(x)/x", {"x"}), {}, std=1.0), diverges_near(parse("log(x)**2", {"x"}), {}, std=1.0)
    (True, False)
    """
    close = Near(Range(None, FLOATS), std, params, float_namespace())
    try:
        return _is_finite(close, close.integrand(formula)) is False
    except (ValueError, OverflowError, ZeroDivisionError):
        return False


def find_divergence(formula: Expr, params: Mapping[str, float], *, std: float) -> float | None:
    """Return a point at which a formula is certainly not integrable, though it may have no pole; None if none is known.

    >>> from propstats.activations.syntax import parse
    >>> find_divergence(parse("log(abs(x - 2))/(x - 2)", {"x"}), {}, std=1.0)
    2.0
    """
    try:
        parts = parts_of(pieces(formula, params), params)
    except ExpressionError:
        return None
    for part in parts:
        for point, side in part.ends:
            if diverges_near(near(part.piece.formula, point, side), params, std=std):
                return float(evaluate(point, params, float_namespace())) + 0.0
    return None


def not_integrable(formula: Expr, point: float, *, mean: float, std: float) -> str:
    """Say in one line that a formula is not integrable at a point."""
    return f"{_missing(formula)}: it is not integrable at x = {point:g}, which {law(mean, std)} reaches"


def outgrows(formula: Expr, params: Mapping[str, float], *, mean: float, std: float) -> str | None:
    """Say in one line that a formula grows too fast; None if it certainly does not, or that is not known."""
    why = growth(formula, params, mean=mean, std=std)
    return None if why is None else f"{_missing(formula)}: it {why}"


def _missing(formula: Expr) -> str:
    return f"the expectation of {str_of(formula)} does not exist"


def law(mean: float, std: float) -> str:
    """Name a Gaussian by its mean and variance.

    >>> law(0.0, 1.0), law(1.0, 0.5)
    ('N(0, 1)', 'N(1, 0.5^2)')
    """
    return f"N({mean:g}, {std:g}^2)" if std != 1.0 else f"N({mean:g}, 1)"


def _is_bounded(formula: Expr, params: Mapping[str, float], mean: float, std: float) -> bool | None:
    """Decide from how the formula grows on both sides."""
    answers = []
    for side in (1, -1):
        tail = Tail(Range(None, FLOATS), mean, std, side, params, float_namespace())
        try:
            answers.append(_is_finite(tail, tail.bound(formula)))
        except (ValueError, OverflowError, ZeroDivisionError):
            answers.append(None)
    return False if False in answers else None if None in answers else True


def _is_finite(tail: Tail, u: Bound) -> bool | None:
    size = tail.size(u)
    if size is not None and all(map(is_integrable, size)):
        return True
    for away, is_sure in ((u.low, tail.is_nonnegative), (u.high, tail.is_nonpositive)):
        if away and is_sure(u) and not is_integrable(max(away)):
            return False
    return None
