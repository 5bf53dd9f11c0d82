"""Signal or gradient that vanishes or explodes over depth."""

import math
from collections.abc import Iterator
from itertools import pairwise
from typing import Final

from propstats.auditing.judging.blame import is_levelled, together
from propstats.auditing.judging.evidence import Evidence
from propstats.auditing.judging.limits import FAIL_FACTOR, WARN_FACTOR
from propstats.auditing.judging.remedy import Remedy, rescale_one
from propstats.auditing.judging.rule import SIGNAL, Family, FindingRule
from propstats.auditing.judging.trend import Path
from propstats.auditing.records import Finding, Rate, Severity

_DERIVATION: Final = (
    f"a factor of {FAIL_FACTOR:.0f} between the ends (a tenth warns): one learning rate that moves one end by a "
    "hundredth of its weights moves the other by a hundredth of that"
)
_SOURCE: Final = "Glorot & Bengio 2010, section 4.2; Saxe et al. 2014, arXiv:1312.6120, section 3"
_UNCERTAINTY: Final = (
    "the interval is of the slope of log scale over depth, from the scatter about the line; layers count as independent"
)


def _rule(direction: str, fate: str, what: str) -> FindingRule:
    return FindingRule(
        f"{direction}-{fate}", f"{what} {fate} over depth",
        f"{what} changes by a constant factor in each layer of weights, and what is left at the other end is too small "
        "or too large to learn from", _DERIVATION, _SOURCE, _UNCERTAINTY,
    )  # fmt: skip


RULES: Final = {
    (direction, fate): _rule(direction, fate, what)
    for direction, what in (("forward", "what differs between inputs"), ("backward", "the gradient's norm"))
    for fate in ("vanishing", "exploding")
}


def _check(evidence: Evidence) -> Iterator[Finding]:
    inputs = evidence.probe.inputs
    is_constant = inputs.is_finite and inputs.var == 0.0
    for direction, rate, path in (
        ("forward", evidence.trend.forward_rate, evidence.forward_path),
        ("backward", evidence.trend.backward_rate, evidence.backward_path),
    ):
        if rate is None or (direction == "forward" and is_constant):
            continue
        factor = math.inf if rate.total == 0 else max(rate.total, 1 / rate.total)
        if factor >= WARN_FACTOR:
            found = _finding(evidence, direction, rate, path, factor)
            if found is not None:
                yield found


def _finding(evidence: Evidence, direction: str, rate: Rate, path: Path, factor: float) -> Finding | None:
    layers, squares = path.layers, path.squares
    vanishing = rate.total < 1
    rule = RULES[direction, "vanishing" if vanishing else "exploding"]
    severity = Severity.ERROR if factor >= FAIL_FACTOR else Severity.WARNING
    what = "the signal (what differs between inputs)" if direction == "forward" else "the gradient's norm"
    verb = "vanishes" if vanishing else "explodes"
    ends = f"from {layers[0].name} to {layers[-1].name}"
    scales = [math.sqrt(square / squares[0]) if squares[0] > 0 else 0.0 for square in squares]
    steps = [b / a if a > 0 else 0.0 for a, b in pairwise(scales)]
    worst = (min if vanishing else max)(range(len(steps)), key=lambda i: steps[i])
    usual = _usual(steps, worst)
    alone = steps[worst] / usual if usual > 0 else 0.0
    # One layer is to blame when the network without it would pass.
    rest = factor * alone if vanishing else factor / alone
    if alone > 0 and max(rest, 1 / rest) < WARN_FACTOR:
        # Forwards a layer acts on its way in, backwards the layer just passed does.
        culprit = layers[worst + 1] if direction == "forward" else layers[worst]
        if vanishing and direction == "forward" and is_levelled(evidence.calls, layers, culprit):
            return None
        inside = together(evidence, layers, culprit)
        if len(inside) == 1:
            place, predicted = f"at {culprit.name}", usual
            text = rescale_one(evidence.probe, culprit, alone, direction).text
        else:
            place, predicted = f"from {inside[0]} to {inside[-1]}, where paths part and join", None
            text = _rescaling(evidence, direction).text
        message = (
            f"{what} {verb} {place}: x{steps[worst]:.3g} there, x{usual:.3g} in the other layers, "
            f"x{rate.total:.3g} {ends}"
        )
        return rule.finding(severity, culprit.name, steps[worst], message, text, expected=usual, predicted=predicted)
    limit = FAIL_FACTOR if factor >= FAIL_FACTOR else WARN_FACTOR
    past = (i for i, scale in enumerate(scales) if (scale <= 1 / limit if vanishing else scale >= limit))
    name = layers[next(past, len(layers) - 1)].name  # the last one, where rounding hides that it is past
    low, high = rate.interval
    expected = f"; theory expects x{rate.expected:.3g} from these weights" if rate.expected is not None else ""
    message = (
        f"{what} {verb}: x{rate.value:.3g} a layer [{low:.3g}, {high:.3g}], x{rate.total:.2g} {ends}, "
        f"{'below 1/' if vanishing else 'above '}{limit:.0f} at {name}{expected}"
    )
    remedy = _rescaling(evidence, direction)
    predicted = remedy.predicted.value if remedy.predicted is not None else None
    return rule.finding(
        severity, name, rate.value, message, remedy.text, interval=rate.interval, expected=1.0, predicted=predicted
    )


def _rescaling(evidence: Evidence, direction: str) -> Remedy:
    return evidence.rescaling.forward if direction == "forward" else evidence.rescaling.backward


def _usual(steps: list[float], worst: int) -> float:
    """Return the geometric mean of all steps but the worst."""
    others = [step for i, step in enumerate(steps) if i != worst and step > 0]
    return math.exp(sum(map(math.log, others)) / len(others)) if others else 1.0


FAMILY = Family(tuple(RULES.values()), _check, SIGNAL)
