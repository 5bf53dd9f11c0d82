"""Formulas for readers: as text, and as LaTeX."""

from collections.abc import Callable
from fractions import Fraction

from propstats.activations.expression import Call, Expr, Number, Symbol
from propstats.activations.syntax import str_of

#: A node `E(integrand, low, high)`, with primes for other laws, is an expectation over an interval.
_EXPECTATIONS = ("E", "E'", "E''", "E'''", "E''''")


def text_of(expr: Expr) -> str:
    """Write a formula as text.

    >>> from propstats.activations.syntax import parse
    >>> text_of(Call("E", (parse("x**2", {"x"}), parse("0", set()), Symbol("inf"))))
    'E[x**2; x > 0]'
    """
    return str_of(_named(expr))


def _named(expr: Expr) -> Expr:
    """Replace expectations by symbols that are written as they should read."""
    if isinstance(expr, Call) and expr.function in _EXPECTATIONS:
        integrand, low, high = (text_of(arg) for arg in expr.args)
        return Symbol(f"{expr.function}[{integrand}{_interval(low, high, '<', '>')}]")
    if isinstance(expr, Call) and expr.function == "expPhi":  # one function only for the sake of rounding
        exponent, end = expr.args
        return Call("mul", (Call("exp", (exponent,)), Call("Phi", (end,))))
    # Built anew without folding: a derivation shows what was written.
    return Call(expr.function, tuple(map(_named, expr.args))) if isinstance(expr, Call) else expr


def _interval(low: str, high: str, less: str, more: str) -> str:
    if low in ("-inf", r"-\infty"):
        return "" if high in ("inf", r"\infty") else f"; x {less} {high}"
    return f"; x {more} {low}" if high in ("inf", r"\infty") else f"; {low} {less} x {less} {high}"


_GREEK = {
    "mu": r"\mu", "pi": r"\pi", "alpha": r"\alpha", "beta": r"\beta", "gamma": r"\gamma", "lambd": r"\lambda",
    "inf": r"\infty", "-inf": r"-\infty",
}  # fmt: skip
_FUNCTIONS = {
    "exp": r"\exp", "log": r"\log", "sin": r"\sin", "cos": r"\cos", "tanh": r"\tanh", "atan": r"\arctan",
    "asinh": r"\operatorname{arsinh}", "erf": r"\operatorname{erf}", "Phi": r"\Phi", "phi": r"\varphi",
    "sigmoid": r"\sigma", "owens_t": r"\operatorname{T}", "sign": r"\operatorname{sign}",
}  # fmt: skip


def latex_of(expr: Expr) -> str:
    r"""Write a formula as LaTeX.

    >>> from propstats.activations.syntax import parse
    >>> latex_of(parse("mu*Phi(mu/s)/sqrt(2*pi)", {"mu", "s"}))
    '\\frac{\\mu \\Phi\\left(\\frac{\\mu}{s}\\right)}{\\sqrt{2 \\pi}}'
    """
    return _latex(expr)[0]


def _latex(expr: Expr) -> tuple[str, int]:
    """Return LaTeX and how tightly its outermost operator binds."""
    if isinstance(expr, Symbol):
        return _symbol(expr.name), 9
    if isinstance(expr, Number):
        return _number(expr.value)
    if expr.function in _EXPECTATIONS:
        integrand, low, high = (latex_of(arg) for arg in expr.args)
        primes = "'" * expr.function.count("'")
        return rf"\mathbb{{E}}{primes}\left[{integrand}{_interval(low, high, '<', '>')}\right]", 9
    match expr.function, expr.args:
        case "neg", (a,):
            return f"-{_bracketed(a, 2)}", 1
        case "add", (a, b):
            return f"{_bracketed(a, 1)} + {_bracketed(b, 1, strict=_starts_with_minus(b))}", 1
        case "sub", (a, b):
            return f"{_bracketed(a, 1)} - {_bracketed(b, 1, strict=True)}", 1
        case "mul", (a, b):
            gap = r" \cdot " if isinstance(b, Number) or _starts_with_digit(b) else " "
            return f"{_bracketed(a, 2)}{gap}{_bracketed(b, 2, strict=_starts_with_minus(b))}", 2
        case "div", (a, b):
            return rf"\frac{{{latex_of(a)}}}{{{latex_of(b)}}}", 8
        case "pow", (a, b):
            return f"{_bracketed(a, 9)}^{{{latex_of(b)}}}", 4
        case "sqrt", (a,):
            return rf"\sqrt{{{latex_of(a)}}}", 9
        case "abs", (a,):
            return rf"\left|{latex_of(a)}\right|", 9
        case "where", (condition, a, b):
            other = rf"{latex_of(b)} & \text{{otherwise}}"
            return rf"\begin{{cases}} {latex_of(a)} & {latex_of(condition)} \\ {other} \end{{cases}}", 3
        case "gt", (a, b):
            return f"{latex_of(a)} > {latex_of(b)}", 0
        case function, args:
            return _call(function, args), 9
    raise AssertionError(expr)


#: Functions that mathematics writes in terms of others.
_WRITTEN: dict[str, Callable[..., str]] = {
    "between": lambda u, v: rf"\left(\Phi\left({v}\right) - \Phi\left({u}\right)\right)",
    "expPhi": lambda u, v: rf"e^{{{u}}} \Phi\left({v}\right)",
    "expm1": lambda u: rf"\left(e^{{{u}}} - 1\right)",
    "log1p": lambda u: rf"\log\left(1 + {u}\right)",
    "softplus": lambda u: rf"\log\left(1 + e^{{{u}}}\right)",
    "sech2": lambda u: rf"\operatorname{{sech}}^2\left({u}\right)",
}


def _call(function: str, args: tuple[Expr, ...]) -> str:
    written = [latex_of(arg) for arg in args]
    if function in _WRITTEN:
        return _WRITTEN[function](*written)
    name = _FUNCTIONS.get(function, rf"\operatorname{{{_escaped(function)}}}")
    return rf"{name}\left({', '.join(written)}\right)"


def _symbol(name: str) -> str:
    """Write a symbol; names made of words become text, `E1` and `c1` have an index."""
    if name in _GREEK or len(name) == 1:
        return _GREEK.get(name, name)
    if name[0].isalpha() and name[1:].isdigit():
        return f"{name[0]}_{{{name[1:]}}}"
    if name.startswith("E["):
        return rf"\mathbb{{E}}\left[{_words(name[2:-1])}\right]"
    return _words(name) if name.endswith("(x)") else rf"\mathrm{{{_escaped(name)}}}"


def _words(text: str) -> str:
    """Write what is said of the activation, such as `f'(x)^2 (x - mu)`."""
    return text.replace("mu", r"\mu")


def _escaped(name: str) -> str:
    return name.replace("_", r"\_")


def _number(value: Fraction) -> tuple[str, int]:
    if value.denominator == 1:
        return str(value), 9 if value >= 0 else 1
    text = str_of(Number(value))
    if "/" not in text:
        return text, 9 if value >= 0 else 1
    sign = "-" if value < 0 else ""
    return rf"{sign}\frac{{{abs(value.numerator)}}}{{{value.denominator}}}", 8 if value >= 0 else 1


def _bracketed(expr: Expr, binding: int, *, strict: bool = False) -> str:
    text, own = _latex(expr)
    return rf"\left({text}\right)" if own < binding or (strict and own == binding) else text


def _starts_with_minus(expr: Expr) -> bool:
    return latex_of(expr).startswith("-")


def _starts_with_digit(expr: Expr) -> bool:
    return latex_of(expr)[:1].isdigit()
