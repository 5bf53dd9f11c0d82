"""Every quantile is within the stated error of an order statistic, however the data arrive."""

import math

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from propstats.auditing.measuring.quantiles import RELATIVE_ERROR, Quantiles


def sketch(values: torch.Tensor) -> Quantiles:
    found = Quantiles()
    found.add(values)
    return found


floats = arrays.arrays(
    np.float32, st.integers(1, 60), elements=st.floats(-(2.0**100), 2.0**100, width=32, allow_subnormal=False)
)


@given(floats, st.floats(0, 1))
@settings(max_examples=150, deadline=None)
def test_the_error_is_bounded(values: np.ndarray, share: float) -> None:
    exact = float(np.sort(values)[max(1, math.ceil(share * len(values))) - 1])
    found = sketch(torch.from_numpy(values)).quantile(share)
    assert abs(found - exact) <= RELATIVE_ERROR * abs(exact) + 2.0**-126


@given(floats, st.integers(0, 60))
@settings(max_examples=60, deadline=None)
def test_merged_parts_are_the_whole(values: np.ndarray, cut: int) -> None:
    x = torch.from_numpy(values)
    merged = sketch(x[cut:])
    merged.merge(sketch(x[:cut]))
    assert torch.equal(merged.counts, sketch(x).counts)
    assert torch.equal(sketch(x.flip(0)).counts, sketch(x).counts)


def test_zeros_signs_and_huge_numbers() -> None:
    found = sketch(torch.tensor([0.0, -0.0, 3.0, -1e300], dtype=torch.float64))
    assert found.zero_share == 0.5
    assert found.quantile(0.5) == 0.0
    assert found.quantile(0.0) < -3e38
    assert math.isnan(Quantiles().quantile(0.5))
    assert Quantiles().zero_share is None
