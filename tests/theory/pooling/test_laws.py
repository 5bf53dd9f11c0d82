"""What single windows do: routes against each other, sampling, and what others print."""

import math
from fractions import Fraction

import pytest

from propstats import Quantity, Route
from propstats.errors import DomainError, UnknownNameError
from propstats.published.constants import compute
from propstats.published.registry import registry
from propstats.theory.pooling.combine import combined
from propstats.theory.pooling.inputs import PoolInput
from propstats.theory.pooling.law import evaluate_law
from propstats.theory.pooling.maximum import maximum
from propstats.theory.pooling.window import Part, WindowFunction, part_of, window_moments

#: The mean and the variance of the largest of n independent N(0, 1), integrated with mpmath at forty digits. The first
#: ten digits are those of Teichroew 1956, Annals of Mathematical Statistics 27(2), 410-426.
LARGEST = {
    2: ("0.56418958354775628695", "0.68169011381620932846"),
    3: ("0.84628437532163443042", "0.5594672037973670138"),
    4: ("1.0293753730039641321", "0.49171523687474176068"),
    9: ("1.4850131622092370063", "0.35735332635781334373"),
    16: ("1.7659913930547879673", "0.29500980901031979788"),
    25: ("1.9653146097535565808", "0.25851077750621494386"),
}


def _part(function: str, inputs: int, given: PoolInput, samples: int = 20_000) -> Part:
    return part_of(
        WindowFunction(function, inputs + 0.5), inputs, given, digits=20, timeout=10.0, samples=samples, seed=1,
        stream=inputs, device="cpu",
    )  # fmt: skip


def _quantities(part: Part) -> dict[str, Quantity]:
    return {name: combined([part], [{name: Fraction(1)}]) for name in part.law.results}


@pytest.mark.parametrize("function", ["average", "max"])
@pytest.mark.parametrize("rectified", [False, True])
@pytest.mark.parametrize(
    ("inputs", "mean", "std"),
    [
        (1, 0.4, 2.0),
        (2, 0.0, 1.0),
        (2, -1.0, 0.5),
        (3, 0.5, 1.3),
        (5, 0.0, 1.0),
        (9, -0.3, 1.0),
        (4, 0.7, 0.0),
        (4, -0.7, 0.0),
    ],
)
def test_routes_agree(function: str, inputs: int, rectified: bool, mean: float, std: float) -> None:
    for correlation in (0.0, 0.3, 1.0, -1 / max(inputs - 1, 1), -0.4 / max(inputs - 1, 1)):
        given = PoolInput(mean, std, correlation, rectified)
        found = _quantities(_part(function, inputs, given, 4_000))
        assert found.keys() >= {"mean", "second_moment", "var", "std", "first", "other"}
        for name, quantity in found.items():
            if inputs == 1 and name == "other":
                continue  # there is none
            assert quantity.agree, (correlation, name, quantity)
            if quantity.value:
                assert quantity.error <= 1e-13 * (1.0 + abs(mean) + std) ** 2, (correlation, name, quantity)


@pytest.mark.parametrize("inputs", LARGEST)
def test_largest_of_independent_inputs(inputs: int) -> None:
    found = evaluate_law(maximum(inputs, PoolInput())).by_route
    for name, printed in zip(("mean", "var"), LARGEST[inputs], strict=True):
        certified = found[Route.CERTIFIED][name]
        assert certified.digits is not None
        assert abs(Fraction(certified.digits) - Fraction(printed)) <= Fraction(1, 10**19)
        for route in found.values():
            if name in route:
                assert abs(route[name].value - float(printed)) <= route[name].error + 1e-17
                assert route[name].error < 3e-13
    assert (Route.CLOSED_FORM in found and "var" in found[Route.CLOSED_FORM]) == (inputs <= 5)


def test_constants_are_the_same() -> None:
    """The constants of pooling that propstats publishes come from their own expressions."""
    published = {value.name: value.digits for value in compute(registry(), 15, match="_pool_")}
    for side in (3, 4, 5):
        found = evaluate_law(maximum(side**2, PoolInput()), digits=15).by_route[Route.CERTIFIED]
        for name in ("mean", "std"):
            assert found[name].digits == published[f"max_pool_{side}x{side}_{name}"]
    for side in (2, 3, 5):
        std = window_moments("average", side**2)["std"].value
        assert std == pytest.approx(float(published[f"average_pool_{side}x{side}_std"]), abs=1e-15)
        slope = math.sqrt(window_moments("max", side**2)["other"].value)
        assert slope == pytest.approx(float(published[f"max_pool_{side}x{side}_backward_std"]), abs=1e-15)


def test_formulas_of_the_first_seed() -> None:
    """2x2: mean 6 atan(sqrt 2)/pi^1.5, second moment 1 + sqrt(3)/pi; 3: 3/(2 sqrt(pi))."""
    found = window_moments("max", 4)
    assert found["mean"].value == pytest.approx(6 * math.atan(math.sqrt(2)) / math.pi**1.5, abs=1e-15)
    assert found["second_moment"].value == pytest.approx(1 + math.sqrt(3) / math.pi, abs=1e-15)
    assert found["other"].value == 0.25
    assert window_moments("max", 3)["mean"].value == pytest.approx(3 / (2 * math.sqrt(math.pi)), abs=1e-15)
    assert window_moments("average", 9)["other"].value == pytest.approx(1 / 81, abs=1e-16)
    spread = window_moments("average", 9, correlation=0.4)["std"].value
    assert spread == pytest.approx(math.sqrt((1 + 8 * 0.4) / 9), abs=1e-15)


@pytest.mark.parametrize("correlation", [-0.1, 0.0, 0.5])
def test_correlation_moves_moments_as_it_should(correlation: float) -> None:
    """Mean sqrt(1 - rho) m_k, variance rho + (1 - rho) v_k, for negative rho as well."""
    alone, found = window_moments("max", 9), window_moments("max", 9, correlation=correlation)
    assert found["mean"].value == pytest.approx(math.sqrt(1 - correlation) * alone["mean"].value, abs=1e-13)
    assert found["var"].value == pytest.approx(correlation + (1 - correlation) * alone["var"].value, abs=1e-13)


def test_two_opposite_inputs() -> None:
    """max(z, -z) = |z|, and relu(z) + relu(-z) = |z|."""
    for function, scale in (("max", 1.0), ("average", 0.5)):
        found = window_moments(function, 2, correlation=-1.0, rectified=True)
        assert found["mean"].value == pytest.approx(scale * math.sqrt(2 / math.pi), abs=1e-14)
        assert found["var"].value == pytest.approx(scale**2 * (1 - 2 / math.pi), abs=1e-14)


def test_the_first_input_takes_the_ties() -> None:
    found = window_moments("max", 4, rectified=True)
    dark = 0.5**4
    assert found["other"].value == pytest.approx((1 - dark) / 4, abs=1e-15)
    assert found["first"].value == pytest.approx((1 - dark) / 4 + dark, abs=1e-15)
    assert found["alive"].value == found["other"].value
    same = window_moments("max", 4, correlation=1.0)
    assert (same["first"].value, same["other"].value, same["mean"].value) == (1.0, 0.0, 0.0)


def test_rectified_is_gaussian_far_above_zero() -> None:
    for function in ("average", "max"):
        far = window_moments(function, 4, mean=9.0, correlation=0.3, rectified=True)
        plain = window_moments(function, 4, mean=9.0, correlation=0.3)
        for name in ("mean", "second_moment", "var", "std"):
            # max(0, x) and x differ with probability Phi(-9) = 1.1e-19.
            assert abs(far[name].value - plain[name].value) <= far[name].error + plain[name].error + 1e-16
            assert far[name].error <= 1e-12 * 9.0**2


@pytest.mark.parametrize("inputs", [1024, 50176])
def test_global_windows(inputs: int) -> None:
    found = evaluate_law(maximum(inputs, PoolInput()), digits=20).by_route
    for name, estimate in found[Route.CERTIFIED].items():
        assert estimate.agrees_with(found[Route.QUADRATURE].get(name, estimate))


def test_a_wrong_law_is_found() -> None:
    law = maximum(4, PoolInput())
    planted = {**law.forms, "w": "3/(2*sqrt(pi))*(1 + 2/pi*atan(1/sqrt(8.000001)))"}
    part = Part(law, evaluate_law(type(law)(law.results, law.params, law.integrals, planted)), None)
    assert not combined([part], [{"mean": Fraction(1)}]).agree


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"correlation": 1.1}, "between -0.333333 and 1"),
        ({"correlation": -0.34}, "between -0.333333 and 1"),
        ({"correlation": math.nan}, "correlation"),
        ({"mean": math.inf}, "finite"),
        ({"var": -1.0}, "variance must be at least 0"),
    ],
)
def test_bad_input(options: dict[str, float], word: str) -> None:
    with pytest.raises(DomainError, match=word):
        window_moments("max", 4, **options)  # type: ignore[arg-type]


def test_bad_windows() -> None:
    with pytest.raises(UnknownNameError, match="median"):
        window_moments("median", 4)
    with pytest.raises(DomainError, match="at least 1"):
        window_moments("max", 0)
    with pytest.raises(DomainError, match="up to 100"):
        window_moments("max", 101, correlation=-0.001, rectified=True)
