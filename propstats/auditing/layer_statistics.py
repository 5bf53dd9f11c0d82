"""What is known of one call of a layer: what was measured, and what theory expects."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from propstats.estimate import Estimate


@dataclass(frozen=True, slots=True)
class ForwardStatistics:
    """The signal after a layer, over the data.

    Args:
        mean: Mean over units and data.
        q: Second moment over units and data.
        var: Variance over the data, in the mean over units: what the layer still tells apart.
        c: `1 - var/q`: correlation of two inputs.
        dead: Share of an activation's units whose slope vanishes for all data; None elsewhere.
        saturated: Share of pre-activations at which a bounded activation is flat; None elsewhere.
        non_finite: How many numbers are infinite or NaN.
        unit_mean: Root mean square of the units' means. From here on a unit is a channel with all its positions, or a
            feature with all its tokens.
        unit_var: Variance of a unit over data and positions, in the mean over units.
        mean_spread: Standard deviation over units of their means.
        var_spread: Standard deviation over units of their variances.
        skewness: Of a unit, in the mean over units that vary.
        kurtosis: The same; 3 for a Gaussian.
        quantiles: Pairs of a share and of the number that this share of all numbers does not exceed.
        unit_correlation: Root mean square of the correlation of two units.
        zero_share: Share of numbers that are zero.
    """

    mean: Estimate
    q: Estimate
    var: Estimate
    c: float
    dead: float | None
    saturated: float | None
    non_finite: int
    unit_mean: Estimate | None = None
    unit_var: Estimate | None = None
    mean_spread: float | None = None
    var_spread: float | None = None
    skewness: Estimate | None = None
    kurtosis: Estimate | None = None
    quantiles: Sequence[tuple[float, float]] = ()
    unit_correlation: Estimate | None = None
    zero_share: float | None = None


@dataclass(frozen=True, slots=True)
class BackwardStatistics:
    """Second moments of the gradient of `v . output`, `v ~ N(0, 1)`.

    Args:
        output: At the layer's output.
        input: At the layer's input: what it hands on.
        non_finite: How many numbers are infinite or NaN.
        sign_agreement: How far the gradients of one unit's weights have one sign for a sample: 1 if all inputs of the
            unit have the same sign (updates zig-zag), about `sqrt(2/(pi fan_in))` for signs at random. None where the
            layer has no weights.
    """

    output: Estimate | None
    input: Estimate | None
    non_finite: int
    sign_agreement: Estimate | None = None


@dataclass(frozen=True, slots=True)
class RunningGap:
    """How far the running statistics of a batch norm are from those of its input, in root mean square over channels.

    Args:
        mean: Of `(running_mean - mean)/std`.
        variance: Of `log(running_var/var)`.
    """

    mean: float
    variance: float


@dataclass(frozen=True, slots=True)
class Expected:
    """What theory expects of a layer.

    Args:
        q: Second moment after the layer.
        var: Variance over the data after the layer.
        gradient_output: Second moment of the gradient at its output.
        gradient_input: The same at its input.
        error: Relative standard error that the layer's finite width allows.
        given: Where the expectation starts: the network's input and output, what was measured at the last layers
            without a rule (`since`), or this layer's own input and output; canonical is what NormProp promises.
        mean: Mean after the layer.
        gradient_error: Relative standard error of the gradient at its input that finite width allows.
        since: The layers without a rule that the expectation starts from.
    """

    q: float
    var: float
    gradient_output: float | None
    gradient_input: float | None
    error: float
    given: Literal["network", "restart", "layer", "canonical"]
    mean: float = math.nan
    gradient_error: float | None = None
    since: tuple[str, ...] = ()

    @property
    def c(self) -> float:
        """Correlation of two inputs."""
        return 1.0 - self.var / self.q if self.q > 0 else 1.0
