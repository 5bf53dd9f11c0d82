"""What an audit finds: the records behind the table, the JSON document and the page."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from propstats.auditing.layer_statistics import BackwardStatistics, Expected, ForwardStatistics, RunningGap
from propstats.auditing.provenance import DataInfo, ModelInfo


class Policy(StrEnum):
    """What an audit asks."""

    SIGNAL = "signal"  # does signal survive, forwards and backwards?
    CANONICAL = "canonical"  # zero mean, unit variance and uncorrelated units in every layer?


class Severity(StrEnum):
    """How bad a finding is; errors fail the audit."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


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
        from propstats.auditing.notebook import audit_html

        return audit_html(self)
