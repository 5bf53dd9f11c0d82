"""One window by every route: its law, and samples of torch's own pooling."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from propstats.errors import DomainError, unknown_name
from propstats.estimate import Quantity
from propstats.theory.pooling.average import average
from propstats.theory.pooling.inputs import PoolInput
from propstats.theory.pooling.law import Evaluated, Law, evaluate_law
from propstats.theory.pooling.maximum import maximum
from propstats.theory.pooling.power import power_mean

if TYPE_CHECKING:
    from propstats.expectation.sampling.window import WindowSample

#: What a window can do with its inputs.
FUNCTIONS = ("average", "max", "lp")


@dataclass(frozen=True, slots=True)
class Part:
    """What is known of one kind of window."""

    law: Law
    evaluated: Evaluated
    sample: "WindowSample | None"


@dataclass(frozen=True, slots=True)
class WindowFunction:
    """What a window computes from its inputs.

    Args:
        name: `average`, `max` or `lp`.
        divisor: By what an average divides; the number of inputs if None.
        power: p of `lp`, `(c sum(x^p))^(1/p)`.
        scale: c of `lp`.
    """

    name: str
    divisor: float | None = None
    power: float = 2.0
    scale: Fraction = Fraction(1)

    def law(self, inputs: int, given: PoolInput) -> Law:
        """Return the law of a window with so many real inputs.

        Raises:
            UnknownNameError: If there is no such function.
            DomainError: If the inputs are not possible.
        """
        if inputs < 1:
            raise DomainError(f"a window holds at least 1 input, got {inputs}")
        given.check(inputs)
        if self.name == "average":
            return average(inputs, float(inputs) if self.divisor is None else self.divisor, given)
        if self.name == "max":
            return maximum(inputs, given)
        if self.name == "lp":
            return power_mean(inputs, self.power, given, scale=self.scale)
        raise unknown_name("pooling", self.name, list(FUNCTIONS))

    def torch(self, inputs: int) -> Callable[[Any], Any]:
        """Return torch's own, on tensors of shape (windows, 1, inputs)."""
        from torch.nn import functional

        if self.name == "average":
            factor = inputs / (inputs if self.divisor is None else self.divisor)
            return lambda x: functional.avg_pool1d(x, inputs) * factor
        if self.name == "max":
            return lambda x: functional.max_pool1d(x, inputs)
        factor = float(self.scale) ** (1 / self.power)
        return lambda x: functional.lp_pool1d(x, self.power, inputs) * factor


def window_moments(
    function: str,
    inputs: int,
    *,
    mean: float = 0.0,
    var: float = 1.0,
    correlation: float = 0.0,
    rectified: bool = False,
    power: float = 2.0,
) -> Mapping[str, Quantity]:
    """Return what one window does to signal and gradient, by formula or quadrature: fast, for use inside theory.

    Args:
        function: `average`, `max` or `lp`.
        inputs: How many real inputs the window holds.
        mean: Mean of the Gaussian inputs, before they are rectified.
        var: Their variance.
        correlation: Correlation of any two of them.
        rectified: Whether they pass a ReLU first.
        power: p of `lp`.

    Returns:
        `mean`, `second_moment`, `var` and `std` of the output; `first` and `other`, the second moments of the slope in
        the first input and in each other one; for rectified inputs also `alive`, the same in the mean over all
        inputs, counted only where the input is positive: what a ReLU below lets through.

    Raises:
        UnknownNameError: If there is no such function.
        DomainError: If the inputs are not possible.

    >>> found = window_moments("max", 9)
    >>> round(found["mean"].value, 12), round(found["other"].value, 12)
    (1.485013162209, 0.111111111111)
    """
    if not var >= 0.0:
        raise DomainError(f"a variance must be at least 0, got {var}")
    return _window_moments(
        WindowFunction(function, power=power), inputs, PoolInput(mean, var**0.5, correlation, rectified)
    )


@lru_cache(maxsize=1024)
def _window_moments(function: WindowFunction, inputs: int, given: PoolInput) -> Mapping[str, Quantity]:
    law = function.law(inputs, given)
    found = evaluate_law(law, digits=None).by_route
    return MappingProxyType(
        {
            name: Quantity.of({route: known[name] for route, known in found.items() if name in known})
            for name in law.results
        }
    )


def part_of(
    function: WindowFunction,
    inputs: int,
    given: PoolInput,
    *,
    digits: int | None,
    timeout: float,
    samples: int,
    seed: int,
    stream: int,
    device: str,
) -> Part:
    """Evaluate one window by every route; the arguments are those of the law, `evaluate_law` and `sample_window`."""
    law = function.law(inputs, given)
    evaluated = evaluate_law(law, digits=digits, timeout=timeout)
    sample = None
    if samples:
        # Here, not above: torch takes a second to load.
        from propstats.expectation.sampling.window import sample_window

        sample = sample_window(
            function.torch(inputs),
            inputs,
            mean=given.mean,
            std=given.std,
            correlation=given.correlation,
            rectified=given.rectified,
            samples=samples,
            seed=seed,
            stream=stream,
            device=device,
        )
    return Part(law, evaluated, sample)
