"""Verdicts: expected against measured, and what follows."""

from collections.abc import Sequence
from enum import StrEnum

from propstats.auditing.judging.evidence import Evidence as Evidence
from propstats.auditing.judging.families.departures import departs as departs
from propstats.auditing.judging.limits import FAIL_FACTOR as FAIL_FACTOR
from propstats.auditing.judging.registry import FAMILIES
from propstats.auditing.records import Finding, Policy, Severity
from propstats.errors import unknown_name


class FailOn(StrEnum):
    """From which severity on findings fail an audit."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"
    NEVER = "never"


def judge(evidence: Evidence, policy: Policy = Policy.SIGNAL) -> list[Finding]:
    """Apply the rules of a policy; errors first.

    Args:
        evidence: What was measured and is expected.
        policy: What is asked: whether signal survives, or whether layers are canonical.
    """
    found = [finding for family in FAMILIES if policy in family.policies for finding in family.check(evidence)]
    order = list(Severity)
    return sorted(found, key=lambda finding: order.index(finding.severity))


def policy_named(name: str) -> Policy:
    """Return a policy by its name.

    Raises:
        UnknownNameError: If there is none of this name.

    >>> policy_named("canonical").value
    'canonical'
    """
    known = [policy.value for policy in Policy]
    if name not in known:
        raise unknown_name("policy", name, known)
    return Policy(name)


def fails(findings: Sequence[Finding], fail_on: FailOn = FailOn.ERROR) -> bool:
    """Whether any finding is at least this severe.

    >>> fails([], FailOn.INFO)
    False
    """
    if fail_on is FailOn.NEVER:
        return False
    order = [severity.value for severity in Severity]
    return any(order.index(finding.severity.value) <= order.index(fail_on.value) for finding in findings)
