"""Signals and gradients through the graph of a measured network, and through each of its layers alone."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from propstats.auditing.expecting.compositions import compositions
from propstats.auditing.expecting.network import Step
from propstats.auditing.measuring.call import INPUT, Call, Maker
from propstats.rules.affine import Unchanged
from propstats.rules.dense import Weights
from propstats.rules.embedding import Embedding
from propstats.rules.graph import Graph, meeting
from propstats.rules.max_pooling import Pooled
from propstats.rules.rule import Join
from propstats.rules.shared import Shared
from propstats.signals import Gradient, Signal


@dataclass(frozen=True, slots=True)
class Flow:
    """What theory expects at each call.

    Args:
        signals: The signal after it, of its first output; None where it is not known.
        given: The gradient at its first output.
        back: The gradient at each tensor input that its rule takes; by its number among what the rule takes, where that
            is made by other calls than those which made the inputs.
        since: The calls without a rule that the signal comes from: positions.
    """

    signals: Sequence[Signal | None]
    given: Sequence[Gradient | None]
    back: Sequence[Mapping[int, Gradient]]
    since: Sequence[frozenset[int]]


class Network:
    """The rules of a network, with what was measured of it.

    Args:
        calls: The calls.
        steps: What theory makes of each.
        graph: The graph of the rules.
        measured: The measured signal of each tensor, by who made it; None where it is not known.
        result: The call that gives the network's output.
        leaning: How many times more comes back at an input of a call than its rule says, because of where gradients
            lie; by the position of the call and the number of the input.
    """

    def __init__(
        self,
        calls: Sequence[Call],
        steps: Sequence[Step],
        graph: Graph,
        measured: Mapping[Maker, Signal | None],
        result: int,
        leaning: Mapping[tuple[int, int], float],
    ) -> None:
        self.calls, self.steps, self.graph = calls, steps, graph
        self.measured, self.result, self.leaning = measured, result, leaning
        self._composed, self.follows = compositions(calls, steps)
        self._pools = {
            int(pool.at): (int(name), pool) for name, pool in graph.together.items() if isinstance(pool, Pooled)
        }

    def through(self) -> Flow:
        """Return what theory expects given the network's input and a unit gradient at its output.

        Where a call has no rule, what was measured there stands in.
        """
        signals: list[Signal | None] = []
        since: list[frozenset[int]] = []

        def before(source: int, output: int) -> Signal | None:
            if source == INPUT:
                return self.measured.get((INPUT, output))
            known = self.steps[source].rule is not None
            return signals[source] if (known and output == 0) or self._splits(source) else self._seen(source, output)

        for position, (call, step) in enumerate(zip(self.calls, self.steps, strict=True)):
            if step.rule is None:
                signals.append(self._seen(position, 0))
                since.append(frozenset([position]))
                continue
            signals.append(self._after(position, before))
            heard = [source for source, _ in step.takes(call)]
            since.append(frozenset[int]().union(*(since[source] for source in heard if source >= 0)))
        given, back = self._backwards(before)
        return Flow(signals, given, back, since)

    def one_by_one(self, theory: Flow) -> Flow:
        """Return what theory expects of each call given its own measured input and output gradient.

        Args:
            theory: What it expects from end to end: of what positions have in common in gradients, only that is known.
        """
        signals, given, back = [], [], []
        for position, call in enumerate(self.calls):
            signals.append(self._after(position, self._seen) if self.steps[position].rule is not None else None)
            found = call.gradient_output
            gradient = Gradient(found.running.mean) if found.is_measured else None
            expected = theory.given[position]
            if gradient is not None and expected is not None and expected.q > 0.0:
                gradient = replace(gradient, positions=expected.positions * gradient.q / expected.q)
            given.append(gradient)
            # Of a part of a function that is written out, what comes back follows what it received.
            back.append({} if position in self.follows else self._before(position, gradient, self._seen))
        self._correct(given, back, self._seen)
        return Flow(signals, given, back, theory.since)

    def _seen(self, source: int, output: int) -> Signal | None:
        return self.measured.get((source, output))

    def _splits(self, source: int) -> bool:
        """Whether all outputs of a call are parts of one signal."""
        return isinstance(self.steps[source].rule, Unchanged) and len(self.steps[source].places) > 1

    def _heard(self, position: int, before: Callable[[int, int], Signal | None]) -> list[Signal] | None:
        found = [before(*maker) for maker in self.steps[position].takes(self.calls[position])]
        if isinstance(self.steps[position].rule, Embedding):  # tokens carry nothing that could be measured
            found = [signal or Signal(0.0, 0.0, 0.0) for signal in found]
        known = [signal for signal in found if signal is not None]
        return known if len(known) == len(found) else None

    def _after(self, position: int, before: Callable[[int, int], Signal | None]) -> Signal | None:
        """Return the signal after a call."""
        rule, together = self.steps[position].rule, self.graph.together.get(str(position))
        heard = self._heard(position, before)
        if heard is None or rule is None:
            return None
        composed = self._composed.get(position)
        if together is not None:
            source = before(_number(together.source), 0)
            after = together.forward(source) if source is not None else None
        elif composed is not None:
            source = before(composed.source, 0)
            after = composed.whole.forward(source) if source is not None else None
        else:
            after = rule.join(heard) if isinstance(rule, Join) else rule.forward(heard[0])
        fine = after is not None and all(math.isfinite(value) for value in (after.mean, after.q, after.var))
        return after if fine else None

    def _before(
        self, position: int, given: Gradient | None, before: Callable[[int, int], Signal | None]
    ) -> dict[int, Gradient]:
        """Return the gradients at the inputs of a call."""
        step = self.steps[position]
        heard = self._heard(position, before)
        if given is None or step.rule is None or heard is None:
            return {}
        rule = step.rule
        if isinstance(step.rule_of_units, Weights) and len(heard) == 1:
            # The mean over few units of what comes back scatters over draws of the weights.
            heard = [replace(heard[0], units=min(heard[0].units, self._inputs(position)))]
        parts = rule.split(given, heard) if isinstance(rule, Join) else [rule.backward(given, heard[0])]
        slots = step.heard or range(len(parts))
        found = {}
        for slot, part in zip(slots, parts, strict=True):
            times = self.leaning.get((position, slot), 1.0)
            if math.isfinite(part.q):
                found[slot] = replace(part, q=times * part.q, positions=times * part.positions)
        return found

    def _backwards(
        self, before: Callable[[int, int], Signal | None]
    ) -> tuple[list[Gradient | None], list[dict[int, Gradient]]]:
        count = len(self.calls)
        arriving: list[list[Gradient]] = [[] for _ in range(count)]
        given: list[Gradient | None] = [None] * count
        back: list[dict[int, Gradient]] = [{} for _ in range(count)]
        if self.result >= 0:
            arriving[self.result].append(Gradient(1.0))
        for position in reversed(range(count)):
            call = self.calls[position]
            if arriving[position]:
                given[position] = meeting(arriving[position], self._units(position, before))
            if given[position] is None:
                continue
            back[position] = self._before(position, given[position], before)
            self._correct(given, back, before, position)
            for slot, (source, output) in enumerate(self.steps[position].sources or call.makers):
                found = back[position].get(slot)
                if not back[position] and not self.steps[position].sources:
                    found = self._measured_back(call, slot)
                if source >= 0 and found is not None:
                    arriving[source].append(self._shared(source, output, found))
            together, gradient = self.graph.together.get(str(position)), given[position]
            if isinstance(together, Shared) and gradient is not None:
                source = _number(together.source)
                signal = before(source, 0)
                if source >= 0 and signal is not None:
                    arriving[source].append(together.correction(gradient, signal))
        return given, back

    def _inputs(self, position: int) -> float:
        """Return how many units a layer of weights takes."""
        step = self.steps[position]
        source, output = step.takes(self.calls[position])[0]
        place = self.steps[source].places[output] if source >= 0 else None
        units = place.units if place is not None else self.graph.units
        count = place.count if place is not None else math.prod(self.graph.positions)
        return count if step.rule is not step.rule_of_units else units

    def _units(self, position: int, before: Callable[[int, int], Signal | None]) -> float:
        signal = before(position, 0)
        return signal.units if signal is not None else math.inf

    def _measured_back(self, call: Call, slot: int) -> Gradient | None:
        """Return the gradient that was measured at an input: it stands in where a call has no rule."""
        found = call.gradient_inputs[slot]
        return Gradient(found.running.mean) if found.is_measured else None

    def _shared(self, source: int, output: int, gradient: Gradient) -> Gradient:
        """Return a gradient that comes to one of several parts of a signal: the others get nothing from it."""
        if not self._splits(source):
            return gradient
        sizes = [math.prod(place.shape) for place in self.steps[source].places]
        return replace(gradient, q=gradient.q * sizes[output] / sum(sizes))

    def _correct(
        self,
        given: Sequence[Gradient | None],
        back: Sequence[dict[int, Gradient]],
        before: Callable[[int, int], Signal | None],
        only: int | None = None,
    ) -> None:
        """Correct what activations hand back for max pools behind them, whose gradients follow their inputs."""
        asked = self._pools if only is None else {only} & self._pools.keys()
        for position in asked:
            at, pool = self._pools[position]
            signal, gradient = before(_number(pool.source), 0), given[at]
            if signal is None or gradient is None:
                continue
            for slot, part in back[position].items():
                q = part.q + pool.correction(gradient, signal).q
                back[position][slot] = replace(part, q=max(q, 0.0))


def _number(name: str) -> int:
    return int(name) if name.isdigit() else INPUT
