"""The integrands compiled: once for each interval and precision, in the groups in which they are integrated."""

from collections.abc import Callable, Container, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from propstats.activations.compile import compiled
from propstats.activations.expression import ZERO
from propstats.expectation.certified.balls import Balls, precision
from propstats.expectation.certified.scales import BITS
from propstats.expectation.certified.strip import Integrands
from propstats.expectation.certified.tails import Segment

if TYPE_CHECKING:
    from flint import acb

#: With so many bits constants are computed at least.
_FIRST_BITS = 320


class Programs:
    """Several integrands on each of several intervals, as functions of complex balls.

    Args:
        segments: The integrands, cut where they are not smooth.
        params: The parameters of the formulas.
        balls: The namespace to compile with.
        mean: Mean of x.
        std: Standard deviation of x.
    """

    def __init__(
        self, segments: Sequence[Segment], params: Mapping[str, float], balls: Balls, *, mean: float, std: float
    ) -> None:
        self._segments, self._params, self._balls = segments, params, balls
        self._mean, self._std = mean, std
        self._known: dict[tuple[int, tuple[int, ...]], tuple[int, Any]] = {}

    def groups(self, index: int, without: Container[int]) -> list[tuple[int, ...]]:
        """Pair the integrals of a segment, but for some of them: two real ones make one complex one."""
        integrands = self._segments[index].integrands
        pairs = [tuple(range(k, min(k + 2, len(integrands)))) for k in range(0, len(integrands), 2)]
        present = [tuple(k for k in pair if integrands[k] != ZERO and k not in without) for pair in pairs]
        return [group for group in present if group]

    def of(self, index: int, group: tuple[int, ...], bits: int) -> Any:
        """Compile integrands; their constants have at least so many bits."""
        known = self._known.get((index, group))
        if known is None or known[0] < bits:
            integrands = [self._segments[index].integrands[k] for k in group]
            # Once is enough for most: as many bits as thirty digits need, and some.
            with precision(max(2 * bits, _FIRST_BITS)):
                program = compiled(integrands, ["x", *self._params], self._balls.namespace)
            known = self._known[index, group] = max(2 * bits, _FIRST_BITS), program
        return known[1]

    def all_of(self, index: int, without: Container[int]) -> Callable[..., "list[acb]"]:
        """Return all integrands of a segment as one function, by programs that will be needed anyway."""
        from flint import acb

        count = len(self._segments[index].integrands)
        groups = [tuple(range(count))] if len(self._segments) == 1 else self.groups(index, without)
        programs = [(group, self.of(index, group, BITS)) for group in groups]

        def values(*arguments: acb) -> list[acb]:
            found = [acb(0)] * count
            for group, program in programs:
                for k, value in zip(group, program(*arguments), strict=True):
                    found[k] = value
            return found

        return values

    def at_z(self, program: Any) -> Integrands:
        """Turn integrands in x into integrands in z."""
        from flint import acb

        mean, std, params = acb(self._mean), acb(self._std), [acb(value) for value in self._params.values()]
        return lambda z: program(mean + std * z, *params)
