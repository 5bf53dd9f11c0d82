"""What every translation into a formula ends with: a stable form, and a trial on numbers."""

import keyword
from collections.abc import Mapping
from typing import TYPE_CHECKING

from propstats.activations.activation import Activation
from propstats.activations.conversion.rewrite import stable
from propstats.activations.expression import Call, Expr
from propstats.activations.own import from_expression
from propstats.activations.syntax import str_of
from propstats.errors import ExpressionError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: Trees larger than this would be no readable formula; a program's loops make them quickly.
_MAX_NODES = 2_000


def activation_of(formula: Expr, name: str, params: Mapping[str, float]) -> Activation:
    """Make an activation from a tree in `x` and the parameters, and try it on numbers.

    Args:
        formula: The tree; it is turned into a stable form first.
        name: What to call it; the formula itself if empty.
        params: A value for each parameter.

    Raises:
        ExpressionError: If the formula is too long, a parameter has no possible name or does not occur, or the formula
            has no value somewhere.
        DomainError: If a parameter is not a finite number.

    >>> from propstats.activations.syntax import parse
    >>> tree = parse("x/(1 + exp(-b*x))", {"x", "b"})
    >>> print(activation_of(tree, "", {"b": 1.702}))
    x*sigmoid(b*x)(b=1.702)
    """
    for parameter in params:
        if not parameter.isidentifier() or keyword.iskeyword(parameter):
            raise ExpressionError(f"{parameter!r} cannot be the name of a parameter", "letters, digits and _ can")
    text = str_of(stable(formula))
    found = from_expression(text, name or text, **params)
    _check_values(found)
    return found


def _check_values(activation: Activation) -> None:
    """Refuse a formula that is not a number somewhere: a moment would be an integral over nothing."""
    import numpy as np

    x = grid()
    with np.errstate(all="ignore"):
        bad = x[np.isnan(np.asarray(activation(x)))]
    if bad.size:
        raise ExpressionError(
            f"{activation.text} has no value at x = {bad[0]:.3g}",
            "it must have one for every x; where(condition, a, b) chooses",
        )


def grid() -> "NDArray[np.float64]":
    """Return the numbers on which functions are tried: from -30 to 30, at 0, close to it and far from it."""
    import numpy as np

    steps = np.geomspace(1.03e-3, 29.7, 97)
    return np.concatenate([-steps[::-1], np.zeros(1), steps])


def refuse_if_large(expr: Expr, sizes: dict[int, int]) -> None:
    """Refuse a tree that is too large to be written out; `sizes` remembers those of subtrees.

    Raises:
        ExpressionError: If it is.
    """

    def size(node: Expr) -> int:
        if not isinstance(node, Call):
            return 1
        if id(node) not in sizes:
            sizes[id(node)] = 1 + sum(map(size, node.args))
        return sizes[id(node)]

    if size(expr) > _MAX_NODES:
        raise ExpressionError(f"the formula has more than {_MAX_NODES} terms", "state it without loops")
