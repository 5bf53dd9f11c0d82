"""How many samples make sense: asked before torch is loaded, and before other routes have taken their time."""

from propstats.errors import DomainError

#: A core draws about 10^7 a second: more than this takes weeks.
_MOST = 10**13


def check_samples(samples: int) -> None:
    """Refuse a number of samples that says nothing, or that no machine draws in a lifetime.

    Raises:
        DomainError: If there are fewer than 2, or more than 10^13.

    >>> check_samples(1)
    Traceback (most recent call last):
    propstats.errors.DomainError: sampling needs at least 2 samples, got 1 (0 leaves the sampling route out)
    """
    if samples < 2:
        raise DomainError(f"sampling needs at least 2 samples, got {samples}", "0 leaves the sampling route out")
    if samples > _MOST:
        raise DomainError(f"sampling takes at most {_MOST:,} samples, got {samples:,}", "a million give three digits")
