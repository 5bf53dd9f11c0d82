"""How much is too much: the few numbers that all rules share, with where they come from."""

from typing import Final

#: A gradient that is this many times smaller (larger) at one end than at the other cannot be served by one learning
#: rate: where one end moves by a hundredth of its weights, the other moves by a hundredth of that. A tenth warns.
FAIL_FACTOR: Final = 100.0
WARN_FACTOR: Final = 10.0
#: Half of a second moment is lost to what should not be there, or half of it is missing: the layer departs from what
#: it should be by as much as from having nothing in common with it.
DEPARTURE: Final = 2.0
#: Of the variance of two units this is a share that they may have in common: the square of their correlation.
IN_COMMON: Final = 0.5
