"""A derivation as text, as Markdown and as LaTeX."""

from propstats.estimate import Quantity
from propstats.expectation.symbolic.derivation import Line
from propstats.report.formula import latex_of, text_of
from propstats.theory.derivation import CheckedDerivation

#: What the formulas are written with.
_NOTATION = (
    "phi(u), Phi(u): density and distribution function of N(0, 1); between(u, v) = Phi(v) - Phi(u); owens_t: Owen's T"
)


def to_text(result: CheckedDerivation) -> str:
    """Write a derivation as plain text, one numbered line a step."""
    parts = [_title(result), ""]
    for number, line in enumerate(result.derivation.lines, start=1):
        parts += [f"{number:3}. {line.reason}", f"       {_equation(line)}"]
    parts += ["", *_conclusion(result), "", _NOTATION]
    return "\n".join(parts) + "\n"


def to_markdown(result: CheckedDerivation) -> str:
    """Write a derivation as Markdown with formulas that every common renderer shows."""
    parts = [f"# {_title(result)}", ""]
    for number, line in enumerate(result.derivation.lines, start=1):
        parts += [f"{number}. {line.reason}", "", f"   $${_latex_equation(line)}$$", ""]
    parts += [*(f"- {line}" for line in _conclusion(result)), "", _NOTATION]
    return "\n".join(parts) + "\n"


def to_latex(result: CheckedDerivation) -> str:
    """Write a derivation as a LaTeX document that compiles by itself."""
    steps = [
        rf"\item {_escaped(line.reason)}" + "\n" + rf"\begin{{dmath*}}{_latex_equation(line)}\end{{dmath*}}"
        for line in result.derivation.lines
    ]
    conclusion = [_escaped(line) + r"\\" for line in _conclusion(result)]
    return "\n".join(
        [
            r"\documentclass{article}",
            r"\usepackage{amsmath,amssymb,breqn}",
            r"\begin{document}",
            rf"\section*{{{_escaped(_title(result))}}}",
            r"\begin{enumerate}",
            *steps,
            r"\end{enumerate}",
            *conclusion,
            r"\end{document}",
            "",
        ]
    )


def _title(result: CheckedDerivation) -> str:
    params = "".join(f", {name} = {value:g}" for name, value in result.params.items())
    return f"{result.quantity} of {result.activation}: f(x) = {result.phi}{params}, x ~ N(mu, s^2)"


def _equation(line: Line) -> str:
    return f"{text_of(line.left)} {line.relation} {text_of(line.right)}"


def _latex_equation(line: Line) -> str:
    relation = r"\sim" if line.relation == "~" else line.relation
    return f"{latex_of(line.left)} {relation} {latex_of(line.right)}"


def _conclusion(result: CheckedDerivation) -> list[str]:
    """Say what came out, how far it is exact, and that the numbers agree."""
    found = result.derivation
    name = result.quantity
    lines = [f"{name} = {text_of(found.formula)}"]
    if found.standard != found.formula:
        lines.append(f"{name} = {text_of(found.standard)} for x ~ N(0, 1)")
    if not found.is_closed:
        left = ", ".join(f"E{i} = {text_of(e)}" for i, e in enumerate(found.open, start=1))
        lines.append(f"no closed form: no rule fits {left}; the rest is exact")
    at = f"N({result.input.mean:g}, {result.input.std:g}^2)"
    lines += [f"check at x ~ {at}: {text}" for text in _numbers(result.check)]
    lines.append("all routes agree" if result.check.agree else "THE ROUTES DISAGREE")
    return lines


def _numbers(check: Quantity) -> list[str]:
    return [
        f"{route.replace('_', ' ')} {estimate.digits or repr(estimate.value)}"
        + ("" if estimate.digits else f" (error at most {estimate.error:.0e})")
        for route, estimate in check.routes.items()
    ]


def _escaped(text: str) -> str:
    """Write text so that LaTeX shows it as it is."""
    special = {"\\": r"\textbackslash{}", "^": r"\^{}", "~": r"\~{}"} | {c: f"\\{c}" for c in "&%$#_{}"}
    return "".join(special.get(c, c) for c in text)
