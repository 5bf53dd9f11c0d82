"""Long decimals get names while formulas are worked on: products of them would hide everything else."""

from collections.abc import Iterator, Mapping

from propstats.activations.activation import Activation
from propstats.activations.expression import Call, Expr, Number, Symbol
from propstats.activations.syntax import str_of

#: From this denominator on a number is one that somebody measured or solved for.
_LONG = 10_000


def named(activation: Activation) -> tuple[Activation, dict[str, Number]]:
    """Replace the long decimals of a formula by parameters `c1`, `c2`, ...

    Args:
        activation: Any activation.

    Returns:
        The activation with these parameters, and their exact values.

    >>> from propstats.activations import activation
    >>> unit, values = named(activation("1.0507*x + 2*max(x, 0)"))
    >>> unit.text, [str_of(value) for value in values.values()]
    ('c1*x + 2*where(x > 0, x, 0)', ['1.0507'])
    """
    free = (name for name in _names() if name not in activation.params)
    names = dict(zip(dict.fromkeys(_long_decimals(activation.formula)), free, strict=False))
    if not names:
        return activation, {}

    def put_in(expr: Expr) -> Expr:
        if isinstance(expr, Number):
            return Symbol(names[expr]) if expr in names else expr
        return Call(expr.function, tuple(map(put_in, expr.args))) if isinstance(expr, Call) else expr

    values = {name: number for number, name in names.items()}
    params = {**activation.params, **{name: float(number.value) for name, number in values.items()}}
    return Activation(activation.name, str_of(put_in(activation.formula)), params), values


def unnamed(expr: Expr, values: Mapping[str, Number]) -> Expr:
    """Put the numbers back; products of them stay as they are written."""
    if isinstance(expr, Symbol):
        return values.get(expr.name, expr)
    return Call(expr.function, tuple(unnamed(arg, values) for arg in expr.args)) if isinstance(expr, Call) else expr


def _names() -> Iterator[str]:
    count = 0
    while True:
        count += 1
        yield f"c{count}"


def _long_decimals(expr: Expr) -> Iterator[Number]:
    if isinstance(expr, Number) and expr.value.denominator >= _LONG:
        yield expr
    if isinstance(expr, Call):
        for arg in expr.args:
            yield from _long_decimals(arg)
