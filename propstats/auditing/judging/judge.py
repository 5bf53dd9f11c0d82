"""Verdicts: expected against measured, and what follows."""

from propstats.auditing.judging.evidence import Evidence as Evidence
from propstats.auditing.judging.families.departures import departs as departs
from propstats.auditing.judging.registry import FAMILIES
from propstats.auditing.records import Finding, Policy, Severity
from propstats.errors import unknown_name


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
