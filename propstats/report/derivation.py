"""A derivation as text, as Markdown and as LaTeX."""

from collections.abc import Callable

from propstats.activations.expression import Expr, Symbol
from propstats.activations.gates import GATES
from propstats.estimate import Quantity
from propstats.expectation.symbolic.line import Line
from propstats.report.formula import latex_of, text_of
from propstats.theory.derivation import CheckedDerivation

#: What the formulas are written with.
_NOTATION = (
    "phi(u), Phi(u): density and distribution function of N(0, 1); between(u, v) = Phi(v) - Phi(u); owens_t: Owen's T; "
    "in what a rule says, mu and s are those of the law of x there"
)
_MATH_NOTATION = (
    r"$\varphi$, $\Phi$: density and distribution function of $\operatorname{N}(0, 1)$; "
    r"$\operatorname{T}$: Owen's T; $\sigma$: the logistic function; "
    r"in what a rule says, mu and s are those of the law of x there"
)


def to_text(result: CheckedDerivation) -> str:
    """Write a derivation as plain text, one numbered line a step."""
    parts = [f"{_subject(result)}: {_setting(result)}", ""]
    for number, line in enumerate(result.derivation.lines, start=1):
        parts += [f"{number:3}. {_reason(line, str)}", f"       {_equation(line)}"]
    parts += ["", *(f"{_assignment(left, right)}{when}" for left, right, when in _results(result))]
    parts += [*_extent(result, text_of), *_check(result), "", _NOTATION]
    return "\n".join(parts) + "\n"


def to_markdown(result: CheckedDerivation) -> str:
    """Write a derivation as Markdown with formulas that every common renderer shows."""
    parts = [f"# {_subject(result)}", "", f"`{_setting(result)}`", ""]
    for number, line in enumerate(result.derivation.lines, start=1):
        marker = f"{number}. "
        reason = _reason(line, lambda statement: f"`{statement}`")
        # As far in as the text of the list's item: the formula belongs to it.
        parts += [f"{marker}{reason}", "", f"{' ' * len(marker)}$${_latex_equation(line)}$$", ""]
    for left, right, when in _results(result):
        parts += [f"Result{when}:", "", f"$${latex_of(left)} = {latex_of(right)}$$", ""]
    for extent in _extent(result, _in_line):
        parts += [extent, ""]
    parts += [*(f"- {line}" for line in _check(result)), "", _MATH_NOTATION]
    return "\n".join(parts) + "\n"


def to_latex(result: CheckedDerivation) -> str:
    """Write a derivation as a LaTeX document that compiles by itself."""
    steps = [
        rf"\item {_reason(line, str, _escaped)}" + "\n" + _displayed(_latex_equation(line))
        for line in result.derivation.lines
    ]
    results = [
        f"Result{_escaped(when)}:\n{_displayed(f'{latex_of(left)} = {latex_of(right)}')}"
        for left, right, when in _results(result)
    ]
    return "\n".join(
        [
            r"\documentclass{article}",
            r"\usepackage[T1]{fontenc}",
            r"\usepackage{amsmath,amssymb,breqn}",
            r"\begin{document}",
            rf"\section*{{{_escaped(_subject(result))}}}",
            rf"\noindent\texttt{{{_escaped(_setting(result))}}}",
            r"\begin{enumerate}",
            *steps,
            r"\end{enumerate}",
            *results,
            *(rf"\par {extent}" for extent in _extent(result, _in_line)),
            r"\begin{itemize}",
            *(rf"\item {_escaped(line)}" for line in _check(result)),
            r"\end{itemize}",
            _MATH_NOTATION,
            r"\end{document}",
            "",
        ]
    )


def _subject(result: CheckedDerivation) -> str:
    return f"{result.quantity} of {result.activation}"


def _setting(result: CheckedDerivation) -> str:
    if result.activation in GATES:
        return f"y = {result.phi}, a, b ~ N(mu, s^2), independent"
    params = "".join(f", {name} = {value:g}" for name, value in result.params.items())
    return f"f(x) = {result.phi}{params}, x ~ N(mu, s^2)"


def _reason(line: Line, formula: Callable[[str], str], words: Callable[[str], str] = str) -> str:
    """Say what is done, and what the rule says where it is new."""
    return words(line.reason) + (f": {words(formula(line.statement))}" if line.statement else "")


def _equation(line: Line) -> str:
    return f"{text_of(line.left)} {line.relation} {text_of(line.right)}"


def _latex_equation(line: Line) -> str:
    relation = r"\sim" if line.relation == "~" else line.relation
    return f"{latex_of(line.left)} {relation} {latex_of(line.right)}"


def _displayed(equation: str) -> str:
    """Break a long equation into lines."""
    return rf"\begin{{dmath*}}{equation}\end{{dmath*}}"


def _in_line(expr: Expr) -> str:
    return f"${latex_of(expr)}$"


def _assignment(left: Expr, right: Expr) -> str:
    return f"{text_of(left)} = {text_of(right)}"


def _results(result: CheckedDerivation) -> list[tuple[Expr, Expr, str]]:
    """Return what came out, and for which inputs."""
    found, name = result.derivation, Symbol(result.quantity)
    results: list[tuple[Expr, Expr, str]] = [(name, found.formula, "")]
    if found.standard not in (None, found.formula):
        results.append((name, found.standard, " for x ~ N(0, 1)"))
    return results


def _extent(result: CheckedDerivation, formula: Callable[[Expr], str]) -> list[str]:
    """Say what the constants are, and how far the result is exact where it is not a closed form."""
    found = result.derivation
    constants = [f"with {formula(Symbol(name))} = {formula(number)}" for name, number in found.constants.items()]
    if found.is_closed:
        return constants
    open_ones = ", ".join(
        f"{formula(Symbol(f'E{number}'))} = {formula(node)}" for number, node in enumerate(found.open, start=1)
    )
    where = " for all mu and s" if found.is_closed_at_standard else ""
    return [*constants, f"No closed form{where}: no rule fits {open_ones}; the rest is exact."]


def _check(result: CheckedDerivation) -> list[str]:
    """Say that the numbers agree."""
    at = f"N({result.input.mean:g}, {result.input.std:g}^2)"
    lines = [f"check at x ~ {at}: {text}" for text in _numbers(result.check)]
    return [*lines, "all routes agree" if result.check.agree else "THE ROUTES DISAGREE"]


def _numbers(check: Quantity) -> list[str]:
    return [
        f"{route.replace('_', ' ')} {estimate.digits or repr(estimate.value)}"
        + ("" if estimate.digits else f" (error at most {estimate.error:.0e})")
        for route, estimate in check.routes.items()
    ]


def _escaped(text: str) -> str:
    """Write text so that LaTeX shows it as it is."""
    special = {"\\": r"\textbackslash{}", "^": r"\textasciicircum{}", "~": r"\textasciitilde{}"}
    special |= {c: f"\\{c}" for c in "&%$#_{}"}
    return "".join(special.get(c, c) for c in text)
