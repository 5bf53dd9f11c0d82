"""RMS norm that a network writes out: `x * rsqrt(mean(x^2) + eps)`, over units."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from propstats.auditing.expecting.arguments import Arguments
from propstats.auditing.expecting.places import Place
from propstats.auditing.measuring.call import Call, Maker
from propstats.rules.from_torch import NoRuleError, normalised
from propstats.rules.rule import Rule


@dataclass(frozen=True, slots=True)
class Normed:
    """One norm.

    Args:
        source: Who made what is normalised.
        eps: What is added to the mean square.
        result: The call that gives the result; the others are parts of it.
    """

    source: Maker
    eps: float
    result: int


def find_norms(calls: Sequence[Call]) -> Mapping[int, Normed]:
    """Return the norm that each call is a part of.

    Args:
        calls: The calls of a network.
    """
    found: dict[int, Normed] = {}
    for position, call in enumerate(calls):
        makers = call.makers
        if call.kind not in ("mul", "rmul", "div", "truediv") or len(makers) != 2:
            continue
        for signal, factor in (makers, makers[::-1]) if "mul" in call.kind else (makers,):
            root = "rsqrt" if "mul" in call.kind else "sqrt"
            parts = _parts(calls, signal, factor[0], root)
            if parts is not None:
                inside, eps = parts
                found |= dict.fromkeys([*inside, position], Normed(signal, eps, position))
    return found


def _parts(calls: Sequence[Call], signal: Maker, position: int, root: str) -> tuple[list[int], float] | None:
    """Return the calls from the mean to the root, and eps; None if they are no norm of a signal."""
    inside, eps = list[int](), 0.0
    for kinds in ((root,), ("add", "radd"), ("mean",)):
        if position < 0:
            return None
        call = calls[position]
        if call.kind not in kinds:
            if "add" in kinds:
                continue
            return None
        if "add" in kinds:
            number = Arguments(call, ()).get(1, "other")
            if not isinstance(number, int | float):
                return None
            eps = float(number)
        inside.append(position)
        position = call.sources[0]
    if position < 0 or not _is_over_units(calls[inside[-1]]) or not _squares(calls[position], signal):
        return None
    return inside, eps


def _is_over_units(call: Call) -> bool:
    dim = Arguments(call, ()).get(1, "dim")
    return dim in (-1, (-1,), [-1]) and call.shape[-1:] == (1,)


def _squares(call: Call, signal: Maker) -> bool:
    """Whether a call gives the squares of a signal."""
    same = all(maker == signal for maker in call.makers)
    power = Arguments(call, ()).get(1, "exponent")
    return same and (call.kind == "square" or (call.kind == "pow" and power == 2) or (call.kind == "mul"))


def rule_of_norm(norm: Normed, place: Place | None) -> Rule:
    """Return the rule of a norm.

    Args:
        norm: Its parts.
        place: The place of what is normalised.

    Raises:
        NoRuleError: If its units are elsewhere.
    """
    if place is None or place.axes != {len(place.shape) - 1}:
        raise NoRuleError("no rule for a norm that is not over units")
    return normalised(None, None, norm.eps, place.shape[-1], centred=False)
