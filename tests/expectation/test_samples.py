"""How many samples make sense."""

import pytest

from propstats.errors import DomainError
from propstats.expectation.samples import check_samples


@pytest.mark.parametrize(("samples", "said"), [(-1, "at least 2"), (1, "at least 2"), (10**13 + 1, "at most 10,000")])
def test_refusals(samples: int, said: str) -> None:
    with pytest.raises(DomainError, match=said):
        check_samples(samples)


@pytest.mark.parametrize("samples", [2, 10**13])
def test_what_is_taken(samples: int) -> None:
    check_samples(samples)
