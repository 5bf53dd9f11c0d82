import math

import numpy as np
import pytest
import torch

from propstats.activations import Activation, activation, activation_names
from propstats.expectation.sampling.delta import AVERAGED
from propstats.expectation.sampling.integrand import Integrand, Rows


@pytest.mark.parametrize("name", activation_names())
def test_rows_are_what_they_say(name: str) -> None:
    """Against the interpreter, which evaluates the formula and its slope one by one."""
    entry = activation(name)
    integrand = Integrand(entry, 0.3, 1.7)
    z = torch.linspace(-4.0, 4.0, 101, dtype=torch.float64)
    found = integrand.at(z)
    x = 0.3 + 1.7 * z
    value, slope = entry(x), entry.slope(x)
    y, d = value - integrand.shift, slope - integrand.slope_shift
    expected = {"y": y, "d": d, "zd": z * slope, "yy": y**2, "dd": d**2, "zdy": z * slope * y}
    for row, name_of_row in zip(found, AVERAGED, strict=True):
        assert torch.allclose(row, expected[name_of_row], rtol=1e-12, atol=1e-12), name_of_row
    # phi(mu) may be computed by other instructions than phi(x): vectors and their remainders differ in the last digits.
    assert math.isclose(integrand.shift, float(entry(torch.tensor(0.3, dtype=torch.float64))), rel_tol=1e-14)


def test_a_cusp_is_no_shift() -> None:
    integrand = Integrand(Activation("root", "sqrt(abs(x))"), 0.0, 1.0)
    assert integrand.slope_shift == 0.0
    assert torch.isfinite(integrand.at(torch.tensor([-1.0, 2.0], dtype=torch.float64))).all()


def test_gram_holds_products_and_sums() -> None:
    rows = Integrand(activation("gelu"), 0.0, 1.0).fill(
        torch.linspace(-3, 3, 1000, dtype=torch.float64), Rows(1000, torch.device("cpu"))
    )
    plain = rows.averaged.numpy()
    assert np.allclose(rows.gram()[:, :-1], plain @ plain.T, rtol=1e-13)
    assert np.allclose(rows.gram()[:, -1], plain.sum(axis=1), rtol=1e-12, atol=1e-12)
