"""Average pooling is a matrix: its rule is linear algebra, exactly."""

import numpy as np
import pytest

from propstats.estimate import Gradient, Positions, Signal
from propstats.rules.geometry import Window
from propstats.rules.pooling import AveragePool


@pytest.mark.parametrize(
    ("kernel", "stride", "padding", "size"), [(2, 2, 0, 6), (3, 1, 1, 5), (3, 2, 1, 7), (4, 4, 0, 4)]
)
def test_against_the_matrix(kernel: int, stride: int, padding: int, size: int) -> None:
    window = Window((kernel,), (stride,), (padding,), (1,))
    meetings = window.meetings((size,))
    matrix = np.zeros((meetings.outputs, size))
    for output in range(meetings.outputs):
        for tap in range(kernel):
            place = output * stride - padding + tap
            if 0 <= place < size:
                matrix[output, place] = 1 / kernel
    rule = AveragePool(meetings, float(kernel))

    def products(
        at_one: float, at_two: float, m: np.ndarray[tuple[int, int], np.dtype[np.float64]]
    ) -> tuple[float, float]:
        covariance = m @ (np.full((m.shape[1],) * 2, at_two) + (at_one - at_two) * np.eye(m.shape[1])) @ m.T
        n = len(covariance)
        return float(np.trace(covariance)) / n, float(covariance.sum() - np.trace(covariance)) / max(n * (n - 1), 1)

    signal = Signal(0.5, 2.0, 0.8, positions=Positions(1.1, 0.7))
    after = rule.forward(signal)
    q, same = products(2.0, 1.1, matrix)
    overlap, other = products(1.2, 0.7, matrix)
    assert np.isclose(after.q, q)
    assert np.isclose(after.var, q - overlap)
    assert np.isclose(after.mean, 0.5 * matrix.sum() / meetings.outputs)
    if after.positions is not None:
        assert np.allclose((after.positions.same, after.positions.other), (same, other))
    back = rule.backward(Gradient(3.0, positions=0.4), signal)
    assert np.allclose((back.q, back.positions), products(3.0, 0.4, matrix.T))
