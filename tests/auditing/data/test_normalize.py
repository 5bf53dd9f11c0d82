import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from propstats.auditing.data.normalize import scaling

VALUES = arrays(np.float64, (13, 3), elements=st.floats(-1e3, 1e3, allow_subnormal=False))


@given(VALUES, st.lists(st.integers(0, 13), max_size=4), st.sampled_from(["global", "feature"]))
def test_parts_change_nothing(values: np.ndarray, cuts: list[int], mode: str) -> None:
    axis = 0 if mode == "feature" else None
    found = scaling(np.split(values, sorted(cuts)), mode)
    scale = np.abs(values).max() + 1
    # Rounding of at most a few operations on each of 39 numbers.
    assert np.abs(found.mean - values.mean(axis=axis)).max() <= 100 * 2.0**-53 * scale
    std = np.asarray(values.std(axis=axis))
    moving = std > 1e-6 * scale
    assert np.allclose((found.scale * std)[moving], 1.0, rtol=1e-7, atol=0)


def test_large_means_keep_their_digits() -> None:
    values = 1e8 + np.random.default_rng(0).normal(size=(1000, 2))
    whole, parts = scaling([values], "feature"), scaling(np.array_split(values, 37), "feature")
    exact = 1 / (values - 1e8).std(axis=0)
    for found in (whole, parts):
        assert np.allclose(found.scale, exact, rtol=1e-7, atol=0)


def test_what_is_not_finite_is_left_out() -> None:
    values = np.array([[1.0, np.nan, 2.0], [3.0, np.inf, 2.0], [np.nan, 7.0, 2.0]])
    found = scaling([values[:1], values[1:]], "feature")
    assert found.mean.tolist() == [2.0, 7.0, 2.0]
    assert found.scale.tolist() == [1.0, 0.0, 0.0]
    scaled = found.apply(values)
    assert scaled[:2, 0].tolist() == [-1.0, 1.0]
    assert np.isnan(scaled[2, 0])
    assert not np.isfinite(scaled[:2, 1]).any()
    assert scaled[:, 2].tolist() == [0.0, 0.0, 0.0]


@pytest.mark.parametrize("dtype", ["uint8", "float16", "int32", "bool", ">f4"])
def test_other_types_are_summed_in_double_precision(dtype: str) -> None:
    values = np.random.default_rng(1).integers(0, 2, size=(500, 3)).astype(dtype)
    found = scaling([values], "global")
    assert found.mean == pytest.approx(values.astype(np.float64).mean(), abs=1e-15)
