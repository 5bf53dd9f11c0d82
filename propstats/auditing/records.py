"""What an audit finds: the records behind the table, the JSON document and the page."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from propstats.estimate import Estimate


class Policy(StrEnum):
    """What an audit asks."""

    SIGNAL = "signal"  # does signal survive, forwards and backwards?
    CANONICAL = "canonical"  # zero mean, unit variance and uncorrelated units in every layer?


class Severity(StrEnum):
    """How bad a finding is; errors fail the audit."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


Tier = Literal["memory", "safe", "allowed", "trusted"]


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """Which model was audited.

    Args:
        path: The file or folder it came from, if any.
        sha256: Of the file; of a folder, of the lines that `sha256sum` prints for its files.
        format: What the bytes of the file say it is.
        trusted: Whether the file's own program was permitted to run.
        parameters: How many numbers its parameters hold.
        tier: What was permitted: nothing of the file's own (`safe`), classes that the user vouched for (`allowed`),
            or all (`trusted`); `memory` if there was no file.
        allowed: Names in the file that the user vouched for.
        torch: Version of torch that read it.
        notes: What a reader should know of how it was loaded.
    """

    path: str | None
    sha256: str | None
    format: str
    trusted: bool
    parameters: int
    tier: Tier = "memory"
    allowed: tuple[str, ...] = ()
    torch: str | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DataInfo:
    """Which data went through it, and how they were prepared.

    Args:
        name: As they were asked for.
        sha256: Of the raw content, if it was read as a whole.
        samples: How many were used.
        shape: Of one sample.
        layout: What was done to the shape.
        normalization: "none", "global", "feature" or "batch".
        available: How many samples the set has, if that is known.
        dtype: How the values were stored.
        notes: What else a reader should know of the data.
    """

    name: str
    sha256: str | None
    samples: int
    shape: tuple[int, ...]
    layout: str
    normalization: str
    available: int | None = None
    dtype: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Skipped:
    """A layer without an expectation, and why."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class Coverage:
    """How many layers were compared with theory, and which were not.

    Args:
        analysed: Calls of layers that have an expectation.
        skipped: Those that have none, and layers that are never called.
    """

    analysed: int
    skipped: tuple[Skipped, ...]


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


LayerVerdict = Literal["ok", "departs", "non-finite", "no expectation"]


@dataclass(frozen=True, slots=True)
class Layer:
    """One call of one layer.

    Args:
        name: Dotted name of the module.
        call: Which call of it, from 0.
        type: Class of the module.
        shape: Shape of the output, without the batch.
        is_weights: Whether the layer has weights that mix its inputs.
        sigma_w: Standard deviation of the weights times sqrt(fan_in), where it has some.
        forward: The measured signal after the layer.
        backward: The measured gradients.
        expected: What theory expects from the network's input and output on.
        one_step: What theory expects from the layer's own measured input and output gradient.
        verdict: Whether the layer does to its own input what theory expects.
        reason: Why there is no expectation.
        running: What is amiss with the running statistics of a batch norm; None for other layers.
    """

    name: str
    call: int
    type: str
    shape: tuple[int, ...]
    is_weights: bool
    sigma_w: float | None
    forward: ForwardStatistics
    backward: BackwardStatistics
    expected: Expected | None
    one_step: Expected | None
    verdict: LayerVerdict
    reason: str | None
    running: RunningGap | None = None


@dataclass(frozen=True, slots=True)
class Rate:
    """A factor per layer of weights, with a 95 % confidence interval.

    Args:
        value: What the root mean square is multiplied by in each layer.
        interval: The interval.
        total: What it is multiplied by from end to end.
        expected: The same per layer by theory.
    """

    value: float
    interval: tuple[float, float]
    total: float
    expected: float | None


@dataclass(frozen=True, slots=True)
class Trend:
    """Rates over depth: the signal's forwards, the gradient's backwards.

    Args:
        forward_rate: The signal's, from the input on.
        backward_rate: The gradient's, from the output back.
    """

    forward_rate: Rate | None
    backward_rate: Rate | None


@dataclass(frozen=True, slots=True)
class Finding:
    """Something to know or to change.

    Args:
        rule: Identifier of the rule.
        severity: How bad it is.
        layer: Name of the layer it is about, if one.
        value: The number that was measured.
        interval: Its 95 % confidence interval, simultaneous for all layers that the rule looks at.
        expected: What theory expects instead.
        message: What is wrong, in a sentence with its numbers.
        remedy: What to do, with the predicted effect.
        predicted: What `value` should be after the remedy, by theory; None where theory gives no number.
        derivation: Where the threshold comes from, in a sentence.
    """

    rule: str
    severity: Severity
    layer: str | None
    value: float | None
    interval: tuple[float, float] | None
    expected: float | None
    message: str
    remedy: str
    predicted: float | None = None
    derivation: str = ""

    @property
    def explained_by(self) -> str:
        """The command that says what the rule is about, where its threshold comes from, and what helps."""
        return f"propstats explain {self.rule}"


@dataclass(frozen=True, slots=True)
class AuditReport:
    """Everything `propstats audit` prints.

    Args:
        model: What was audited.
        data: On which data.
        coverage: What was compared with theory.
        layers: Every call of every layer, in the order of the forward pass.
        trend: Rates over depth.
        findings: What is wrong, the worst first.
    """

    model: ModelInfo
    data: DataInfo
    seed: int
    coverage: Coverage
    layers: Sequence[Layer]
    trend: Trend
    findings: Sequence[Finding]

    @property
    def passed(self) -> bool:
        """Whether no finding is an error."""
        return all(finding.severity is not Severity.ERROR for finding in self.findings)

    def _repr_html_(self) -> str:
        """Show the report in a notebook."""
        from propstats.auditing.watching.notebook import audit_html

        return audit_html(self)
