"""How to integrate: which rule with how many nodes, for one input or for many."""

from collections.abc import Sequence
from functools import reduce
from typing import Any, NamedTuple

import numpy as np

from propstats.expectation.quadrature import between_kinks, trapezoid
from propstats.expectation.quadrature.branches import Branches, Kink
from propstats.expectation.quadrature.panels import EPS, Z_MAX
from propstats.expectation.quadrature.rule import Array
from propstats.expectation.quadrature.scales import Scale
from propstats.expectation.quadrature.sums import Gaussians, Sums, add_kink, any_of, column, most


class Case(NamedTuple):
    """One input or many, and what the activation looks like for them: numbers, or arrays of shape (batch,).

    Args:
        mean: Means.
        std: Standard deviations.
        params: The parameters.
        kinks: The kinks.
        z: z of the kinks.
        scales: How fast each branch changes.
    """

    mean: Any
    std: Any
    params: Sequence[Any]
    kinks: tuple[Kink, ...]
    z: tuple[Any, ...]
    scales: tuple[Scale, ...]

    def take(self, which: Any) -> "Case":
        """Return some of the inputs."""

        def pick(value: Any) -> Any:
            return value[which] if isinstance(value, np.ndarray) and value.ndim else value

        kinks = (
            Kink(pick(k.at), k.error, (pick(k.below[0]), pick(k.below[1])), (pick(k.above[0]), pick(k.above[1])),
                 pick(k.jump))
            for k in self.kinks
        )  # fmt: skip
        scales = (Scale(pick(s.rate), pick(s.strip), pick(s.narrow)) for s in self.scales)
        params, z = (tuple(map(pick, numbers)) for numbers in (self.params, self.z))
        return Case(self.mean[which], self.std[which], params, tuple(kinks), z, tuple(scales))

    def ends(self, reach: float) -> Array:
        """Return where the branches begin and end in z, none beyond the reach of the nodes; shape (batch, ends)."""
        edge = np.full(self.mean.size, reach)
        return np.asarray(np.clip(np.stack([-edge, *self.z, edge], axis=-1), -reach, reach))

    def kinked_beyond(self, reach: float, which: slice = slice(None)) -> tuple[bool, bool]:
        """Return whether some of the inputs have kinks beyond the nodes, on the left and on the right."""
        if isinstance(self.mean, float):
            far = [k for k in self.z if reach < abs(k) < Z_MAX]
            return (min(far) < 0.0, max(far) > 0.0) if far else (False, False)
        z = [k[which] for k in self.z]
        left, right = (any(any_of((sign * k > reach) & (sign * k < Z_MAX)) for k in z) for sign in (-1, 1))
        return left, right

    def inputs(self, beyond: tuple[bool, bool], which: slice = slice(None)) -> Gaussians:
        """Return some of the inputs as they are integrated over."""

        def pick(value: Any) -> Any:
            return value[which] if isinstance(value, np.ndarray) and value.ndim else value

        return Gaussians(pick(self.mean), pick(self.std), [column(pick(value)) for value in self.params], beyond)

    def sums(self, branch: int, averages: Any) -> Sums:
        """Return the sums that follow from averages over one branch, or over all of them (-1)."""
        if branch < 0:
            return between_kinks.sums(averages)
        return trapezoid.sums(averages, self.std, self.scales[branch])

    def moments(self, sums: Sums, rates: bool = True) -> tuple[dict[str, Any], dict[str, Any], Any]:
        """Return moments, bounds on their errors, and where these are good; `rates` as in `Sums.moments`."""
        rate = reduce(most, [scale.rate for scale in self.scales])
        values, errors, good = sums.moments(self.mean, self.std, rate, rates)
        for kink, z in zip(self.kinks, self.z, strict=True):
            bend = abs(kink.above[1] - kink.below[1])
            # The rounding of z, times |z| p(z) < 1/4, matters where there is little slope besides.
            if kink.error or any_of(kink.jump) or any_of(0.06 * bend * bend > values["slope_second_moment"]):
                # Further out there is nothing of the density.
                z = (
                    np.clip(z, -Z_MAX - 1, Z_MAX + 1)
                    if isinstance(z, np.ndarray)
                    else min(max(z, -Z_MAX - 1), Z_MAX + 1)
                )
                middle = (kink.below[0] + kink.above[0]) / 2 - values["mean"], errors["mean"]
                slopes = kink.below[1], kink.above[1]
                add_kink(values, errors, z, self.std, kink.jump, middle, slopes, EPS * abs(z) + kink.error / self.std)
        return values, errors, good


class Plan(NamedTuple):
    """How to integrate: one branch by the trapezoidal rule, or all of them by Gauss's rule.

    Args:
        branch: The branch, or -1.
        level: The level of the trapezoidal rule.
        counts: The panels of Gauss's rule on each branch.
        reach: Where the nodes end.
    """

    branch: int
    level: int
    counts: tuple[int, ...]
    reach: float

    @property
    def is_possible(self) -> bool:
        """Whether there are not too many nodes."""
        if self.branch >= 0:
            return self.level <= trapezoid.MAX_LEVEL
        return sum(self.counts) <= between_kinks.MAX_PANELS

    def size(self, branches: Branches) -> int:
        """The number of nodes; 0 where they would be too many."""
        if not self.is_possible:
            return 0
        if self.branch >= 0:
            return trapezoid.nodes(self.level, self.reach)[0].size
        return between_kinks.nodes(branches, self.counts)

    def averages(self, branches: Branches, ends: Array, inputs: Gaussians) -> Sequence[Any] | None:
        """Integrate; None where that is not the way."""
        if self.branch >= 0:
            return trapezoid.averages(branches, self.branch, self.level, self.reach, inputs)
        return between_kinks.averages(branches, ends, self.counts, self.reach, inputs)
