"""How much is too much: the few numbers that all rules share, with where they come from."""

from typing import Final

from propstats.rules.propagation import FAIL_FACTOR as FAIL_FACTOR

#: A tenth of what fails is worth a warning.
WARN_FACTOR: Final = FAIL_FACTOR / 10.0
#: Half of a second moment is lost to what should not be there, or half of it is missing: the layer departs from what
#: it should be by as much as from having nothing in common with it.
DEPARTURE: Final = 2.0
#: Of the variance of two units this is a share that they may have in common: the square of their correlation.
IN_COMMON: Final = 0.5
#: So many standard errors to both sides hold 95 % of a Gaussian.
Z95: Final = 1.959963984540054
