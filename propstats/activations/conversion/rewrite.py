"""Formulas as people write them, turned into the same functions without their overflow and cancellation.

`1/(1 + exp(-x))` overflows where `sigmoid(x)` does not, and `(1 + erf(x/sqrt(2)))/2` has no digits left where
`Phi(x)` is small. What is recognised here is an identity, so the function stays what it was.
"""

from fractions import Fraction

from propstats.activations.expression import ONE, Call, Expr, Number, call, map_args, substitute
from propstats.activations.syntax import parse

_ROOT_TWO = parse("sqrt(2)", set())
#: Coefficients are multiplied out only where the product is as short as its factors.
_SIMPLE = 64
_SIMPLE_DENOMINATOR = 12

#: What `1 + f(v)` and `1 - f(v)` are, with v multiplied by a number (and by sqrt(2) for erf) first.
_SUMS: dict[tuple[str, Fraction | int], tuple[str, int]] = {
    ("erf", 1): ("2*Phi(v)", 1),
    ("erf", -1): ("2*Phi(v)", -1),
    ("tanh", 1): ("2*sigmoid(v)", 2),
    ("tanh", -1): ("2*sigmoid(v)", -2),
    ("sigmoid", -1): ("sigmoid(v)", -1),
    ("Phi", -1): ("Phi(v)", -1),
    ("exp", -1): ("-expm1(v)", 1),
}


def stable(expr: Expr) -> Expr:
    """Return the same function, in a form that keeps its digits where one is known.

    >>> from propstats.activations.syntax import str_of
    >>> [str_of(stable(parse(text, {"x"}))) for text in ("x/(1 + exp(-x))", "0.5*x*(1 + erf(x/sqrt(2)))")]
    ['x*sigmoid(x)', 'x*Phi(x)']
    """
    done: dict[int, Expr] = {}

    def visit(node: Expr) -> Expr:
        if id(node) not in done:
            done[id(node)] = _step(map_args(visit, node))
        return done[id(node)]

    return visit(expr)


def _step(node: Expr) -> Expr:
    """Rewrite the outermost operation, if it is one of those below."""
    match node:
        case Call("log", (Call("add", (one, Call("exp", (v,)))) | Call("add", (Call("exp", (v,)), one)),)) if (
            one == ONE
        ):
            return call("softplus", v)
        case Call("log", (Call("sigmoid", (v,)),)):
            return call("neg", call("softplus", _scale(Fraction(-1), v)))
        case Call("log", (Call("add", (one, v)) | Call("add", (v, one)),)) if one == ONE:
            return call("log1p", v)
        case Call("add" | "sub", (_, _)):
            return _sum(node)
        case Call("div", (a, Call("add", (one, Call("exp", (v,)))) | Call("add", (Call("exp", (v,)), one)))) if (
            one == ONE
        ):
            if a == Call("exp", (v,)):
                return call("sigmoid", v)
            return _step(call("mul", a, call("sigmoid", _scale(Fraction(-1), v))))
        case Call(
            "div", (Call("sub", (Call("exp" | "expm1" as f, (v,)), Call(g, (w,)))), Call("add", exponentials))
        ) if f == g and w == call("neg", v) and exponentials == (Call("exp", (v,)), Call("exp", (w,))):
            return call("tanh", v)
        case Call("mul" | "div" as operation, (a, b)):
            return _product(operation, a, b)
        case _:
            return node


def _sum(node: Call) -> Expr:
    """Rewrite `c ± c f(v)`, and `v - tanh(v)`."""
    sign = 1 if node.function == "add" else -1
    (first, left), (second, right) = map(_scaled, node.args)
    second *= sign
    if right == ONE:
        first, left, second, right = second, right, first, left
    match left, right:
        case Number(), Call(function, (v,)) if first and (function, second / first) in _SUMS:
            text, factor = _SUMS[function, second / first]
            inner = _scale(Fraction(factor), _times_root_two(v) if function == "erf" else v)
            return _scale(first, substitute(parse(text, {"v"}), {"v": inner}))
        case Number(), Call("pow", (Call("tanh", (v,)), Number(Fraction(numerator=2, denominator=1)))) if (
            first == -second
        ):
            return _scale(first, call("sech2", v))
        case Call("tanh", (v,)), other if v == other and first == -second:
            return _scale(second, call("tanhshrink", v))
        case other, Call("tanh", (v,)) if v == other and first == -second:
            return _scale(first, call("tanhshrink", v))
    return node


def _product(operation: str, a: Expr, b: Expr) -> Expr:
    """Collect the coefficients of a product or quotient where that makes them simpler."""
    (first, left), (second, right) = _scaled(a), _scaled(b)
    if {first, second} == {Fraction(1)} or second == 0:
        return call(operation, a, b)
    coefficient = first * second if operation == "mul" else first / second
    if max(abs(coefficient.numerator), coefficient.denominator) > _SIMPLE:
        return call(operation, a, b)
    return _scale(coefficient, _step(call(operation, left, right)))


def _scaled(expr: Expr) -> tuple[Fraction, Expr]:
    """Take a tree apart into a constant coefficient and the rest."""
    match expr:
        case Number(value):
            return value, ONE
        case Call("neg", (inner,)):
            coefficient, rest = _scaled(inner)
            return -coefficient, rest
        case Call("mul", (Number(value), inner)):
            coefficient, rest = _scaled(inner)
            return value * coefficient, rest
        case Call("div", (inner, Number(value))) if value != 0:
            coefficient, rest = _scaled(inner)
            return coefficient / value, rest
        case _:
            return Fraction(1), expr


def _scale(coefficient: Fraction, expr: Expr) -> Expr:
    inner, rest = _scaled(expr)
    coefficient *= inner
    if rest == ONE or coefficient == 0:
        return Number(coefficient)
    size = abs(coefficient)
    # x/3 and 2*x/3, but 1.702*x.
    over = size.denominator if size.denominator <= _SIMPLE_DENOMINATOR else 1
    scaled = call("div", call("mul", Number(size * over), rest), Number(Fraction(over)))
    return call("neg", scaled) if coefficient < 0 else scaled


def _times_root_two(v: Expr) -> Expr:
    """Return `sqrt(2)*v`; a factor that is the double next to the root of 1/2 is taken for it."""
    coefficient, rest = _scaled(v)
    match rest:
        case Call("div", (inner, root)) if root == _ROOT_TWO:
            return _scale(coefficient, inner)
        case Call("mul", (root, inner)) | Call("mul", (inner, root)) if root == _ROOT_TWO:
            return _scale(2 * coefficient, inner)
        case _ if abs(2 * coefficient**2 - 1) < Fraction(1, 2**51):
            return _scale(Fraction(1 if coefficient > 0 else -1), rest)
        case _:
            return call("mul", _ROOT_TWO, v)
