"""What a rule of the judge is: texts that explain it, and a check."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from propstats.auditing.judging.evidence import Evidence
from propstats.auditing.records import Finding, Policy, Severity


@dataclass(frozen=True, slots=True)
class FindingRule:
    """What a reader should know of a rule.

    Args:
        id: Its identifier, as in `Finding.rule`.
        title: What it finds, in a few words.
        explanation: What is wrong then, and why it matters.
        derivation: Where its threshold comes from, in a sentence.
        source: Where that was published, with the equation or section.
        uncertainty: How wrong it may be.
    """

    id: str
    title: str
    explanation: str
    derivation: str
    source: str
    uncertainty: str

    def finding(
        self,
        severity: Severity,
        layer: str | None,
        value: float,
        message: str,
        remedy: str,
        *,
        interval: tuple[float, float] | None = None,
        expected: float | None = None,
        predicted: float | None = None,
    ) -> Finding:
        """Return a finding of this rule."""
        return Finding(
            rule=self.id,
            severity=severity,
            layer=layer,
            value=float(value),
            interval=interval,
            expected=expected,
            message=message,
            remedy=remedy,
            predicted=predicted,
            derivation=self.derivation,
        )


@dataclass(frozen=True, slots=True)
class Family:
    """Rules that are checked together.

    Args:
        rules: What each is about.
        check: Yields findings.
        policies: Under which policies.
    """

    rules: tuple[FindingRule, ...]
    check: Callable[[Evidence], Iterator[Finding]]
    policies: frozenset[Policy]


ALWAYS = frozenset(Policy)
SIGNAL = frozenset({Policy.SIGNAL})
CANONICAL = frozenset({Policy.CANONICAL})
