"""What layers hand to each other: what follows from its numbers, and that they stay as they are."""

import dataclasses
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from propstats.signals import Gradient, Signal, inherited


def test_signal() -> None:
    signal = Signal(mean=0.5, q=2.0, var=1.5)
    assert signal.c == 0.25
    assert signal.overlap == 0.5
    assert signal.spread == 1.75
    assert signal.error == 0.0
    assert Signal(0.0, 0.0, 0.0).c == 1.0


_ERRORS = st.just(0.0) | st.floats(1e-100, 1e3)


@given(_ERRORS, _ERRORS)
def test_an_error_is_what_came_before_and_what_is_fresh(before: float, fresh: float) -> None:
    both = math.hypot(before, fresh)
    for record in (Signal(0.0, 1.0, 1.0, error=both, fresh=fresh), Gradient(1.0, error=both, fresh=fresh)):
        # The difference of the squares is off by the rounding of the larger one.
        assert abs(record.inherited - before) <= 4 * 2.0**-26 * both
    assert inherited(math.inf, fresh) == math.inf


@pytest.mark.parametrize("record", [Signal(0.0, 1.0, 0.0), Gradient(1.0)])
def test_signals_do_not_change(record: Signal | Gradient) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(record, dataclasses.fields(record)[0].name, 2.0)
