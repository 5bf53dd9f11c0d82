"""What a fix did: before and after, side by side."""

from collections.abc import Sequence
from dataclasses import dataclass

from propstats.auditing.records import AuditReport, Skipped
from propstats.estimate import Estimate


@dataclass(frozen=True, slots=True)
class Change:
    """What became of one layer.

    Args:
        name: The layer.
        factor: What its weights were multiplied by.
        weight_std: Root mean square of its weights afterwards.
        bias_std: Root mean square of its biases afterwards; None without biases.
    """

    name: str
    factor: float
    weight_std: float
    bias_std: float | None


@dataclass(frozen=True, slots=True)
class RateCheck:
    """A rate over depth: before, as theory predicted it, and as it was measured again.

    Args:
        direction: `forward` or `backward`.
        before: Per layer of weights, before.
        predicted: After, by theory, with what a finite width allows; None where theory gives no number.
        after: After, measured.
        agrees: Whether prediction and measurement can be the same number; None without a prediction.
    """

    direction: str
    before: float | None
    predicted: Estimate | None
    after: Estimate | None
    agrees: bool | None


@dataclass(frozen=True, slots=True)
class FixReport:
    """Everything `propstats audit --fix` prints.

    Args:
        method: How it was fixed.
        path: Where the result was written; None if it was not.
        format: In which form.
        trained: Why the weights do not look freshly drawn; empty if they do.
        changes: What became of each layer that was changed.
        left_alone: Layers of weights that were not, with the reason.
        checks: The rates.
        before: The audit before.
        after: The audit after.
    """

    method: str
    path: str | None
    format: str
    trained: Sequence[str]
    changes: Sequence[Change]
    left_alone: Sequence[Skipped]
    checks: Sequence[RateCheck]
    before: AuditReport
    after: AuditReport

    @property
    def passed(self) -> bool:
        """Whether the audit passes afterwards."""
        return self.after.passed
