"""What an audit of weights alone finds."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from propstats.auditing.provenance import ModelInfo
from propstats.auditing.records import Coverage, Finding, Severity, Trend
from propstats.auditing.static.fingerprint import Fingerprint
from propstats.estimate import Estimate
from propstats.theory.weights.coherence import CanonicalError

_NO_TREND: Final = Trend(None, None)


@dataclass(frozen=True, slots=True)
class Lengths:
    """Lengths of the rows of a matrix: mean, standard deviation, least, largest."""

    mean: float
    std: float
    min: float
    max: float


@dataclass(frozen=True, slots=True)
class WeightStatistics:
    """One matrix of weights; a unit's weights are a row.

    Args:
        name: Its name in the file.
        type: The layer it belongs to, or `weight` if the file does not say.
        shape: Its shape in the file.
        units: Rows.
        fan_in: Weights of a unit.
        sigma_w_squared: `fan_in E w^2`: what the layer multiplies the second moment of random signals by; the error is
            the standard error of so many random weights.
        mean: Mean of the weights.
        fingerprint: What they look as if drawn from; None if all are zero.
        row_lengths: Lengths of the rows.
        zero_rows: Units without any weight.
        duplicate_rows: Units that repeat the weights (and bias, if there is one) of another.
        spectral_norm: Largest singular value, of the largest group if there are groups.
        random_edge: What it tends to for random weights of this size: far above it, directions have been learned.
        canonical: Coherence and both sides of Proposition 1; None where there are too many pairs of rows.
    """

    name: str
    type: str
    shape: tuple[int, ...]
    units: int
    fan_in: int
    sigma_w_squared: Estimate
    mean: Estimate
    fingerprint: Fingerprint | None
    row_lengths: Lengths
    zero_rows: int
    duplicate_rows: int
    spectral_norm: Estimate
    random_edge: float
    canonical: CanonicalError | None


@dataclass(frozen=True, slots=True)
class StaticReport:
    """Everything `propstats audit` prints of weights alone.

    Args:
        model: Which file.
        coverage: How many matrices were analysed, and what was not; no signal was measured.
        weights: The matrices.
        findings: What is certain from weights alone.
        notes: What a reader should know of the numbers.
        data: None: whoever reads reports of `propstats audit` finds the same keys in all of them.
        layers: None of them was run.
        trend: Of no signal.
    """

    model: ModelInfo
    coverage: Coverage
    weights: Sequence[WeightStatistics]
    findings: Sequence[Finding]
    notes: Sequence[str]
    data: None = None
    layers: tuple[()] = ()
    trend: Trend = _NO_TREND

    @property
    def passed(self) -> bool:
        """Whether no finding is an error."""
        return all(finding.severity is not Severity.ERROR for finding in self.findings)
