import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from propstats.activations import activation, activation_names
from propstats.activations.compile import compiled
from propstats.expectation.sampling.precision import _by_bits, fitted, namespace

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
        assert torch.equal(_by_bits(condition, left, right).view(torch.int64), expected.view(torch.int64))


def test_conditions_on_parameters_are_plain() -> None:
    assert _by_bits(2.0 > 1.0, 3.0, 4.0) == 3.0
    assert _by_bits(1.0 > 2.0, 3.0, 4.0) == 4.0


@pytest.mark.parametrize("name", activation_names())
def test_fitted_formulas_mean_the_same(name: str) -> None:
    """In double precision, so that only the mathematics is compared; small values may lose digits against 1."""
    entry = activation(name)
    formulas = [fitted(formula, torch.float32) for formula in (entry.formula, entry.slope_formula)]
    function = compiled(formulas, ["x", *entry.params], namespace(torch.float32))
    x = torch.linspace(-6.0, 6.0, 1001, dtype=torch.float64) + 1e-3
    for found, expected in zip(function(x, *entry.params.values()), (entry(x), entry.slope(x)), strict=True):
        assert torch.allclose(torch.as_tensor(found, dtype=x.dtype).expand_as(x), expected, rtol=1e-13, atol=1e-14)


def test_only_single_precision_is_fitted() -> None:
    formula = activation("gelu").formula
    assert fitted(formula, torch.float64) is formula


@given(
    then=st.lists(st.floats(-1e9, 1e9, width=32), min_size=1, max_size=8),
    otherwise=st.lists(st.floats(-1e9, 1e9, width=32), min_size=1, max_size=8),
    plain=st.tuples(st.floats(-1e9, 1e9, width=32), st.floats(-1e9, 1e9, width=32)),
)
def test_blending_finite_numbers_is_choosing(
    then: list[float], otherwise: list[float], plain: tuple[float, float]
) -> None:
    n = min(len(then), len(otherwise))
    a, b = (torch.tensor(values[:n]) for values in (then, otherwise))
    sign = torch.arange(n, dtype=torch.float32) % 2
    functions = namespace(torch.float32)
    for left, right in ((a, b), (a, plain[1]), (plain[0], b), plain):
        expected = torch.where(sign > 0, torch.as_tensor(left), torch.as_tensor(right))
        assert torch.equal(functions["where"](functions["gt"](sign, 0.0), left, right), expected)
        # The other way round, with the number first.
        assert torch.equal(functions["where"](functions["gt"](0.5, sign), right, left), expected)


def test_the_larger_and_the_smaller_of_two() -> None:
    functions, x = namespace(torch.float32), torch.tensor([-1.0, 2.0])
    for name, expected in (("larger", [0.5, 2.0]), ("smaller", [-1.0, 0.5])):
        assert functions[name](x, 0.5).tolist() == functions[name](0.5, x).tolist() == expected
        assert functions[name](x, torch.full((2,), 0.5)).tolist() == expected
    assert functions["larger"](1.0, 2.0) == 2.0
    assert functions["where"](functions["gt"](1.0, 2.0), 3.0, 4.0) == 4.0
