"""The order of a network's layers: each after all that it hears."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from propstats.errors import ModelError

#: The name of the network's input.
INPUT = "input"


@dataclass(frozen=True, slots=True)
class Step:
    """A layer as far as order is concerned.

    Args:
        name: Its name.
        inputs: The names of the layers that it hears; `input` is the network's input.
        where: Where it was described, as a prefix of messages.
    """

    name: str
    inputs: tuple[str, ...]
    where: str = ""


def in_order(steps: Sequence[Step]) -> list[int]:
    """Return the positions of the layers, each after all that it hears, otherwise as they were given.

    Raises:
        ModelError: If names repeat or are unknown, or layers hear each other in a circle; the message names them.

    >>> in_order([Step("b", ("a",)), Step("a", ("input",))])
    [1, 0]
    >>> in_order([Step("a", ("b",)), Step("b", ("a",))])
    Traceback (most recent call last):
    propstats.errors.ModelError: layers hear each other in a circle: a -> b -> a (a signal must come from the input)
    """
    _check_names(steps)
    missing = {step.name: len(set(step.inputs) - {INPUT}) for step in steps}
    hearers: dict[str, list[int]] = {step.name: [] for step in steps}
    for position, step in enumerate(steps):
        for name in set(step.inputs) - {INPUT}:
            hearers[name].append(position)
    ready = [position for position, step in enumerate(steps) if missing[step.name] == 0][::-1]
    order: list[int] = []
    while ready:
        position = ready.pop()
        order.append(position)
        freed = []
        for hearer in hearers[steps[position].name]:
            missing[steps[hearer].name] -= 1
            if missing[steps[hearer].name] == 0:
                freed.append(hearer)
        ready += sorted(freed, reverse=True)
    if len(order) < len(steps):
        circle = _circle({step.name: step.inputs for step in steps if missing[step.name] > 0})
        at = next(step.where for step in steps if step.name == circle[0])
        message = f"{at}layers hear each other in a circle: {' -> '.join(circle)}"
        raise ModelError(message, "a signal must come from the input")
    return order


def _check_names(steps: Sequence[Step]) -> None:
    """Refuse names that repeat or do not exist."""
    names = {INPUT}
    for step in steps:
        if step.name in names:
            reason = "that is the network's input" if step.name == INPUT else "names must differ"
            raise ModelError(f"{step.where}two layers are called {step.name!r}", reason)
        names.add(step.name)
    for step in steps:
        for name in step.inputs:
            if name not in names:
                near = get_close_matches(name, sorted(names), n=3, cutoff=0.5)
                hint = f"did you mean {' or '.join(near)}?" if near else "name a layer of the network"
                raise ModelError(f"{step.where}layer {step.name!r} hears {name!r}, which does not exist", hint)


def _circle(waiting: Mapping[str, Sequence[str]]) -> list[str]:
    """Return a circle among layers that wait for each other, in the direction of the signal."""
    path = [next(iter(waiting))]
    while path[-1] not in path[:-1]:
        path.append(next(name for name in waiting[path[-1]] if name in waiting))
    return path[path.index(path[-1]) :][::-1]
