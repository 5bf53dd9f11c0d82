import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from propstats.activations import Activation, activation
from propstats.activations.syntax import parse, str_of
from propstats.expectation.sampling.functions import choose, condensed, rectify, sampling_namespace
from propstats.expectation.sampling.integrand import Integrand, Rows

_FLOATS = st.lists(st.floats(allow_nan=True, allow_infinity=True), min_size=1, max_size=8)


@given(then=_FLOATS, otherwise=_FLOATS, plain=st.tuples(st.floats(allow_nan=False), st.floats(allow_nan=False)))
def test_choosing_by_bits_is_where(then: list[float], otherwise: list[float], plain: tuple[float, float]) -> None:
    """Bit for bit, with infinities, NaN and both zeros, on tensors and plain numbers."""
    n = min(len(then), len(otherwise))
    a, b = (torch.tensor(values[:n], dtype=torch.float64) for values in (then, otherwise))
    condition = torch.arange(n) % 2 == 0
    first, second = (torch.full((n,), value, dtype=torch.float64) for value in plain)
    for left, right, same_left, same_right in (
        (a, b, a, b), (a, plain[1], a, second), (plain[0], b, first, b), (*plain, first, second),
        (a, 0.0, a, torch.zeros_like(a)), (a, -0.0, a, -torch.zeros_like(a)),
    ):  # fmt: skip
        expected = torch.where(condition, same_left, same_right)
        assert torch.equal(choose(condition, left, right).view(torch.int64), expected.view(torch.int64))


def test_conditions_on_parameters_are_plain() -> None:
    assert choose(2.0 > 1.0, 3.0, 4.0) == 3.0
    assert choose(1.0 > 2.0, 3.0, 4.0) == 4.0
    assert rectify(-2.0, 0.25) == -0.5
    assert sampling_namespace()["tanh"](1.0) == math.tanh(1.0)


@pytest.mark.parametrize(
    ("formula", "expected"),
    [
        ("max(x, 0)", True),
        ("max(x, 0)**2 + 1", True),
        ("where(x > 0, x, -2*x)", True),
        ("where(sin(x) > 0, sin(x), a*sin(x))", True),
        ("where(x > a, x, a*x)", False),
        ("where(x > 0, x, x*x)", False),
        ("where(x > 0, 2*x, x)", False),
        ("where(x > 0, x, a)", False),
    ],
)
def test_rectifiers_are_found(formula: str, *, expected: bool) -> None:
    found = condensed(parse(formula, {"x", "a"}))
    assert ("rectify" in str(found)) == expected
    if not expected:
        assert str_of(found) == formula
    integrand = Integrand(Activation("written", formula, {"a": 0.3}), 0.2, 1.5)
    z = torch.linspace(-3, 3, 50, dtype=torch.float64)
    rows = integrand.fill(z, Rows(50, z.device, slopes=False))
    value = Activation("written", formula, {"a": 0.3})(0.2 + 1.5 * z)
    assert torch.allclose(rows.y + integrand.shift, value, rtol=1e-14, atol=1e-15)


@pytest.mark.parametrize(
    ("mean", "std", "far"), [(0.0, 1.0, False), (-0.5, 0.5, False), (-3.0, 1.0, True), (-30.0, 1.0, True)]
)
def test_gelu_keeps_its_tail(mean: float, std: float, *, far: bool) -> None:
    """Where most inputs are far below 0 torch's own GELU has no digits left: there the formula is evaluated."""
    entry = activation("gelu")
    integrand = Integrand(entry, mean, std)
    z = torch.linspace(-3, 3, 50, dtype=torch.float64)
    rows = integrand.fill(z, Rows(50, z.device, slopes=False))
    x = mean + std * z
    exact = entry(x)
    # (1 + erf)/2 is rounded like 1, and then multiplied with x.
    bound = 1e-13 * exact.abs().max() if far else 4 * torch.finfo(torch.float64).eps * x.abs()
    assert bool(((rows.y + integrand.shift - exact).abs() <= bound + 1e-300).all())
