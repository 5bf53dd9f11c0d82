import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from propstats.auditing.watching.reading import NUMBERS, SAMPLES, measured


@given(st.integers(1, 5), st.lists(st.floats(-10, 10, width=32), min_size=1, max_size=12))
def test_measured_is_what_it_says(rows: int, values: list[float]) -> None:
    x = torch.tensor([values] * rows) * torch.arange(1, rows + 1)[:, None]
    mean, square, spread, wrong = measured(x).tolist()
    exact = x.double()
    tolerance = 1e-5 * float(exact.abs().max()) + 1e-30
    assert abs(mean - float(exact.mean())) <= tolerance
    assert square == pytest.approx(float(exact.square().mean()), rel=1e-5, abs=1e-30)
    assert spread == pytest.approx(float(exact.var(dim=0, correction=0).mean()), rel=1e-4, abs=tolerance**2)
    assert wrong == 0


def test_the_cost_is_bounded_and_nothing_infinite_is_overlooked() -> None:
    x = torch.zeros(SAMPLES * 3, NUMBERS * 3)
    x[-1, -1], x[-1, 0] = torch.inf, torch.nan
    assert measured(x).tolist() == [0.0, 0.0, 0.0, 1.0]  # both lie outside of what is averaged
    for wrong in (torch.inf, -torch.inf, torch.nan):
        y = torch.zeros(SAMPLES + 1, 3)
        y[-1, 1] = wrong
        assert measured(y)[3] == 1.0
        assert measured(y.bfloat16())[3] == 1.0
    half = torch.full((4, 4), 300.0, dtype=torch.float16)
    assert measured(half)[1] == 90000.0  # which half precision cannot say
    assert measured(torch.tensor(2.0)).tolist() == [2.0, 4.0, 0.0, 0.0]
