"""Derivations as text, Markdown and LaTeX: the same steps in each, and each well-formed."""

import re
from dataclasses import replace

import pytest
from well_formed import check_latex

from propstats.estimate import Quantity
from propstats.report.derivation import to_latex, to_markdown, to_text
from propstats.report.formula import latex_of, text_of
from propstats.theory.derivation import CheckedDerivation, derive

_CASES = [
    ("gelu", "second_moment"),
    ("elu", "var"),
    ("selu", "mean"),
    ("silu", "mean"),
    ("tanh", "mean"),
    ("step", "var_rate"),
    ("hardtanh", "jacobian_factor"),
    ("leaky_relu", "gain"),
]


@pytest.fixture(scope="module", params=_CASES, ids=lambda case: "-".join(case))
def result(request: pytest.FixtureRequest) -> CheckedDerivation:
    return derive(*request.param, digits=15)


def test_text_has_every_step(result: CheckedDerivation) -> None:
    lines = to_text(result).splitlines()
    assert (
        lines[0]
        == f"{result.quantity} of {result.activation}: f(x) = {result.phi}"
        + lines[0][lines[0].index(result.phi) + len(result.phi) :]
    )
    for number, step in enumerate(result.derivation.lines, start=1):
        place = next(i for i, line in enumerate(lines) if line.startswith(f"{number:3}. "))
        assert step.reason in lines[place]
        assert lines[place + 1].strip() == f"{text_of(step.left)} {step.relation} {text_of(step.right)}"
    assert "all routes agree" in lines
    assert all(line == line.rstrip() for line in lines)


def test_rules_are_stated_once(result: CheckedDerivation) -> None:
    """When they are first used; after that the name is enough."""
    stated = [line.reason for line in result.derivation.lines if line.statement]
    assert len(stated) == len(set(stated))
    text = to_text(result)
    for line in result.derivation.lines:
        if line.statement:
            assert text.count(line.statement) == 1


def test_markdown_is_well_formed(result: CheckedDerivation) -> None:
    text = to_markdown(result)
    lines = text.splitlines()
    assert lines[0] == f"# {result.quantity} of {result.activation}"
    for number, step in enumerate(result.derivation.lines, start=1):
        marker = f"{number}. "
        place = next(i for i, line in enumerate(lines) if line.startswith(marker))
        # As far in as the item's text, after an empty line: a paragraph of that item.
        assert lines[place + 1] == ""
        assert lines[place + 2].startswith(f"{' ' * len(marker)}$$")
        assert latex_of(step.right) in lines[place + 2]
    for formula in re.findall(r"\$\$(.*?)\$\$", text):
        check_latex(formula)
    outside = re.sub(r"\$\$.*?\$\$|`[^`]*`|\$[^$]*\$", "", text)
    assert "*" not in outside, "it would become emphasis"
    assert text.count("`") % 2 == 0


def test_latex_is_well_formed(result: CheckedDerivation) -> None:
    text = to_latex(result)
    check_latex(text)
    assert text.startswith("\\documentclass{article}\n")
    assert text.endswith("\\end{document}\n")
    assert text.count("\\item") == len(result.derivation.lines) + len(result.check.routes) + 1
    outside = re.sub(r"\\begin\{dmath\*\}.*?\\end\{dmath\*\}|\$[^$]*\$", "", text)
    assert not re.search(r"(?<!\\)[_^&#%~]", outside), "outside formulas these have a meaning of their own"


def test_what_stays_open_is_named() -> None:
    text = to_text(derive("silu", "mean", digits=15))
    assert "No closed form: no rule fits E1 = E[sigmoid(x)], E2 = E[sigmoid(x)**2]; the rest is exact." in text
    assert "mean = E1*mu + E1*s**2 - E2*s**2" in text
    assert "mean = 1/2 - E2 for x ~ N(0, 1)" in text


def test_what_symmetry_closes() -> None:
    text = to_text(derive("tanh", "mean", digits=15))
    assert "No closed form for all mu and s: no rule fits E1 = E[tanh(x)]" in text
    assert "mean = 0 for x ~ N(0, 1)" in text


def test_constants_are_listed() -> None:
    found = derive("selu", "mean", digits=15)
    assert "with c1 = 1.0507009873554804934193349852946" in to_text(found)
    assert "$c_{1}$ = $1.0507009873554804934193349852946$" in to_markdown(found)


def test_disagreement_is_loud() -> None:
    found = derive("relu", "mean", digits=15)
    routes = {route: replace(e, value=e.value + k) for k, (route, e) in enumerate(found.check.routes.items())}
    wrong = replace(found, check=Quantity.of(routes))
    for write in (to_text, to_markdown, to_latex):
        assert "THE ROUTES DISAGREE" in write(wrong)
        assert "THE ROUTES DISAGREE" not in write(found)
