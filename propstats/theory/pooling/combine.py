"""Sums over windows, by every route: the mean over all windows, and the gradient where windows overlap."""

import math
from collections.abc import Mapping, Sequence
from fractions import Fraction

import numpy as np

from propstats.activations.expression import ZERO, Expr, Number, Symbol, call, substitute
from propstats.estimate import Estimate, Quantity, Route
from propstats.expectation.rounding import Rounded, rounded_namespace
from propstats.theory.pooling.law import Parameter, written
from propstats.theory.pooling.window import Part

#: For each kind of window how often each of its quantities is counted.
Weights = Sequence[Mapping[str, Fraction]]


def combined(parts: Sequence[Part], weights: Weights, *, root: bool = False) -> Quantity:
    """Return a sum of quantities of windows, or the root of it, by every route that knows all of them.

    Args:
        parts: The kinds of windows.
        weights: For each of them the weights of its quantities.
        root: Whether to take the root of the sum.

    >>> from propstats.theory.pooling.inputs import PoolInput
    >>> from propstats.theory.pooling.law import evaluate_law
    >>> from propstats.theory.pooling.maximum import maximum
    >>> law = maximum(9, PoolInput())
    >>> found = combined([Part(law, evaluate_law(law), None)], [{"other": Fraction(4)}], root=True)
    >>> round(found.value, 12), found.formula  # an input that lies in four windows of 3x3
    (0.666666666667, '2/3')
    """
    chosen = [(part, named) for part, counts in zip(parts, weights, strict=True) if (named := _some(counts))]
    routes: dict[Route, Estimate] = {}
    for route in (Route.CLOSED_FORM, Route.CERTIFIED, Route.QUADRATURE):
        terms = [_estimates(part, named, route) for part, named in chosen]
        if all(found is not None for found, _ in terms) and any(own for _, own in terms):
            listed = [
                (weight, found[name])
                for (found, _), (_, named) in zip(terms, chosen, strict=True)
                if found is not None
                for name, weight in named.items()
            ]
            routes[route] = _sum(listed, route, root=root)
    if not chosen:
        routes[Route.CLOSED_FORM] = Estimate(0.0, 0.0, Route.CLOSED_FORM)
    elif all(part.sample is not None for part, _ in chosen):
        routes[Route.SAMPLING] = _sampled(chosen, root=root)
    return Quantity.of(routes, _formula(chosen, root=root) if Route.CLOSED_FORM in routes else None)


def _some(counts: Mapping[str, Fraction]) -> dict[str, Fraction]:
    return {name: weight for name, weight in counts.items() if weight}


def _estimates(part: Part, named: Mapping[str, Fraction], route: Route) -> tuple[Mapping[str, Estimate] | None, bool]:
    """Return the estimates of a window by a route, and whether they are its own.

    What needs no integral counts as known by quadrature as well, beside windows that need some.
    """
    found = part.evaluated.by_route
    if named.keys() <= found.get(route, {}).keys():
        return found[route], True
    exact = {**found[Route.CLOSED_FORM], **found.get(route, {})}
    if route is Route.QUADRATURE and named.keys() <= exact.keys():
        return exact, bool(named.keys() & found.get(route, {}).keys())
    return None, False


def _sum(terms: Sequence[tuple[Fraction, Estimate]], route: Route, *, root: bool) -> Estimate:
    if len(terms) == 1 and terms[0][0] == 1 and not root:
        return terms[0][1]  # with its proven digits
    functions = rounded_namespace()
    total = Rounded(0.0)
    for weight, term in terms:
        product = functions["mul"](functions["number"](weight), Rounded(term.value, term.error))
        total = functions["add"](total, product)
    if root:
        total = functions["sqrt"](total)
    return Estimate(total.value, total.error, route)


def _sampled(chosen: Sequence[tuple[Part, Mapping[str, Fraction]]], *, root: bool) -> Estimate:
    value, variance, samples = 0.0, 0.0, 0
    for part, counts in chosen:
        sample = part.sample
        assert sample is not None
        # The deviation of a single window is the root of its variance.
        is_std = counts.keys() == {"std"}
        named, root = ({"var": counts["std"]}, True) if is_std else (counts, root)
        value += sum(float(weight) * sample.value(name) for name, weight in named.items())
        rows = np.stack([float(weight) * sample.row(name) for name, weight in named.items()])
        variance += sample.variance(rows.sum(axis=0))
        samples = max(samples, sample.samples)
    error = math.sqrt(variance)
    if root:  # the delta method; at 0 the root of the error
        value = math.sqrt(max(value, 0.0))
        error = min(error / (2 * value), math.sqrt(error)) if value > 0 else math.sqrt(error)
    return Estimate(value, error, Route.SAMPLING, samples)


def _formula(chosen: Sequence[tuple[Part, Mapping[str, Fraction]]], *, root: bool) -> str:
    """Write the sum as a closed form in numbers."""
    total: Expr = ZERO
    params: dict[str, Parameter] = {}
    for k, (part, named) in enumerate(chosen):
        # Windows differ in their parameters.
        names = {name: f"{name}_{k}" if k else name for name in part.law.params}
        params |= {names[name]: value for name, value in part.law.params.items()}
        for name, weight in named.items():
            term = substitute(part.evaluated.formulas[name], {old: Symbol(new) for old, new in names.items()})
            total = call("add", total, call("mul", Number(weight), term))
    return written(call("sqrt", total) if root else total, params)
