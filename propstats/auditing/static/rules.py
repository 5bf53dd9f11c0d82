"""What is found in weights alone, in the words of the handbook."""

from typing import Final

from propstats.auditing.judging.rule import FindingRule

NON_FINITE: Final = FindingRule(
    "non-finite",
    "numbers in a file that are not finite",
    "NaN or infinity among weights, biases or running statistics: what a network with it computes is undefined",
    "no number is infinite or NaN in a network that can be trained: the limit is 0",
    "IEEE 754-2019, sections 6 and 7: NaN and infinity propagate",
    "a count of what is there: exact",
)
DEAD_ROWS: Final = FindingRule(
    "dead-rows",
    "units without weights",
    "a unit whose weights are all zero sees nothing of its input and puts out a constant; right only where a branch is "
    "meant to start at zero",
    "weights drawn from a continuous distribution are never all zero: the limit is 0",
    "Zhang, Dauphin & Ma 2019, arXiv:1901.09321, section 3, on the layers that start at zero on purpose",
    "weights are compared with zero exactly",
)
#: By the identifier; what networks are audited for as well is in `propstats.auditing.judging.registry`.
STATIC_RULES: Final = (NON_FINITE, DEAD_ROWS)
