"""`propstats derive`."""

from enum import StrEnum
from typing import Annotated

import typer

from propstats_cli import options
from propstats_cli.output import Answer


class Format(StrEnum):
    """How a derivation is written."""

    TEXT = "text"
    MARKDOWN = "markdown"
    LATEX = "latex"


def derive(
    act: options.Act = None,
    expr: options.Expr = None,
    a: options.A = None,
    param: options.Param = None,
    quantity: Annotated[
        str, typer.Option("--quantity", help="mean, second_moment, var, slope_second_moment, gain, ...")
    ] = "second_moment",
    mean: Annotated[float, typer.Option("--mean", help="Mean of the input at which the result is checked.")] = 0.0,
    std: Annotated[float, typer.Option("--std", help="Its standard deviation.")] = 1.0,
    digits: options.Digits = 30,
    form: Annotated[Format, typer.Option("--format", help="text, markdown or latex.")] = Format.TEXT,
    json: options.Json = False,
) -> Answer:
    """Derive a moment from the activation's formula, step by step.

    Definition, pieces between the kinks, each rule applied and named, the result for x ~ N(mu, s^2) and for N(0, 1),
    and a check of the number by routes that do not know the formula. Where there is no closed form it says so, and how
    far exact reduction goes. Of gated units (glu, bilinear, reglu, geglu, swiglu): mean, second_moment, var,
    value_slope, gate_slope, slope. Exit code 1 if the check fails.

    \b
    Examples:
      propstats derive --act gelu --quantity second_moment
      propstats derive --act elu --param alpha=0.5 --quantity var --format latex
    """
    from propstats.activations.gates import GATES, gate
    from propstats.report import derivation
    from propstats.theory.derivation import derive as compute

    if act is not None and expr is None and act.lower() in GATES:
        given = options.parameters(param, a)
        result = compute(gate(act), quantity, mean=mean, std=std, digits=digits, **given)
    else:
        result = compute(options.unit(act, expr, param, a), quantity, mean=mean, std=std, digits=digits)
    write = {
        Format.TEXT: derivation.to_text,
        Format.MARKDOWN: derivation.to_markdown,
        Format.LATEX: derivation.to_latex,
    }[form]
    return Answer(
        "derive",
        result,
        result.check.agree,
        json,
        lambda out: out.print(write(result), end="", markup=False, soft_wrap=True),
    )
