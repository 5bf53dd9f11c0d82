"""`propstats moments`."""

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from propstats.errors import DomainError
from propstats_cli import options
from propstats_cli.output import Answer
from propstats_cli.quantities import print_proven_digits, print_quantities, shown_routes

if TYPE_CHECKING:
    from rich.console import Console

    from propstats.theory.gate import GateMoments
    from propstats.theory.unit import UnitMoments


class Method(StrEnum):
    """How samples are drawn."""

    IID = "iid"
    STRATIFIED = "stratified"


def moments(
    act: options.Act = None,
    expr: options.Expr = None,
    a: options.A = None,
    param: options.Param = None,
    mean: options.Mean = 0.0,
    std: options.Std = 1.0,
    digits: options.ProvenDigits = 30,
    samples: Annotated[int, typer.Option("--samples", help="Samples to draw; 0 leaves sampling out.")] = 1_000_000,
    method: Annotated[Method, typer.Option("--method", help="How to sample: iid or stratified.")] = Method.IID,
    seed: options.Seed = 0,
    device: options.Device = "cpu",
    plot: options.Plot = None,
    json: options.Json = False,
) -> Answer:
    """Moments of an activation, by independent routes.

    Mean, second moment, variance, slope moments and the constants that initialisers and normalisers need, for an
    input x ~ N(mean, std^2): by closed form, with proven digits, by quadrature and by sampling, each with its
    error. Gated units (glu, bilinear, reglu, geglu, swiglu) have two such inputs, independent of each other. Exit
    code 1 if the routes disagree.

    \b
    Examples:
      propstats moments --act prelu --a 0.25
      propstats moments --act tanh --mean 0.5 --std 2 --samples 0 --json
      propstats moments --expr "x*tanh(log(1 + exp(a*x)))" --param a=2
    """
    from propstats.activations.gates import GATES
    from propstats.theory.gate import gate_moments
    from propstats.theory.unit import moments as compute

    result: UnitMoments | GateMoments
    if act is not None and expr is None and act.lower() in GATES:
        if options.parameters(param, a) or method is not Method.IID:
            what = "samples its two inputs independently" if method is not Method.IID else "has no parameters"
            raise DomainError(f"{act} {what}", "leave --method, --param and --a out")
        result = gate_moments(act, mean=mean, std=std, digits=digits or None, samples=samples, seed=seed, device=device)
    else:
        result = compute(
            options.unit(act, expr, param, a),
            mean=mean,
            std=std,
            digits=digits or None,
            samples=samples,
            method=method,
            seed=seed,
            device=device,
        )
    return Answer("moments", result, result.agree, json, lambda out: _render(out, result), plot)


def _heading(result: "UnitMoments | GateMoments") -> str:
    from propstats.theory.gate import GateMoments

    law = f"N({result.input.mean:g}, {result.input.std:g}^2)"
    if isinstance(result, GateMoments):
        return f"{result.activation}(a, b) = {result.formula},  a, b ~ {law}, independent"
    given = "".join(f", {name} = {value:g}" for name, value in result.params.items())
    return f"{result.activation}(x) = {result.formula}{given},  x ~ {law}"


def _render(out: "Console", result: "UnitMoments | GateMoments") -> None:
    out.print(_heading(result), soft_wrap=True)
    shown = {name.partition(".")[2]: quantity for name, quantity in result.quantities().items()}
    print_quantities(out, shown)
    print_proven_digits(out, shown)
    for note in result.notes:
        out.print(f"note: {note}", soft_wrap=True)
    if result.samples:
        out.print(f"sampling: {result.samples:,} samples, seed {result.seed}, ± one standard error", soft_wrap=True)
    bounds = [route.replace("_", " ") for route in shown_routes(shown) if not route.is_statistical]
    out.print(f"{', '.join(bounds)}: ± a bound on the error", soft_wrap=True)
    # The scales follow from these by their definitions.
    known = {name: q.formula for name, q in result.quantities().items() if not name.startswith("scales.")}
    forms = [(name.partition(".")[2], formula) for name, formula in known.items() if formula]
    if forms:
        out.print("closed forms" + (" (Phi, phi: the normal distribution and density)" if _has_phi(forms) else ""))
        for name, formula in forms:
            out.print(f"  {name} = {formula}", soft_wrap=True)


def _has_phi(forms: list[tuple[str, str]]) -> bool:
    return any("hi(" in formula for _, formula in forms)
