"""All rules, by family, and the texts that explain each."""

from collections.abc import Mapping, Sequence
from typing import Final

from propstats.auditing.judging.families import (
    activity,
    batch_norm,
    canonical,
    collapse,
    departures,
    finite,
    inputs,
    phase,
    rates,
    siblings,
    symmetry,
)
from propstats.auditing.judging.rule import Family, FindingRule

#: In the order in which a report names findings of equal severity.
FAMILIES: Final[Sequence[Family]] = (
    finite.FAMILY,
    inputs.FAMILY,
    phase.FAMILY,
    rates.FAMILY,
    siblings.FAMILY,
    collapse.FAMILY,
    activity.FAMILY,
    symmetry.FAMILY,
    batch_norm.FAMILY,
    canonical.FAMILY,
    departures.FAMILY,
)

#: What each rule is about, by its identifier.
RULES: Final[Mapping[str, FindingRule]] = {rule.id: rule for family in FAMILIES for rule in family.rules}
