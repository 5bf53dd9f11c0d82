import math

import pytest
from oracle import oracle_moments

from propstats.activations import activation
from propstats.activations.gates import GATES, Gate
from propstats.activations.syntax import parse
from propstats.errors import DomainError, UnknownNameError
from propstats.estimate import Route
from propstats.expectation.sampling import gate as sampling
from propstats.theory import gate as module
from propstats.theory.gate import gate_moments

_INPUTS = [(0.0, 1.0), (0.3, 1.7), (-8.0, 1.0), (10.0, 0.01), (2.0, 0.0)]


@pytest.mark.parametrize("name", sorted(GATES))
@pytest.mark.parametrize(("mean", "std"), _INPUTS)
def test_routes_agree_with_the_oracle(name: str, mean: float, std: float) -> None:
    """E[y] = mu m1, E[y^2] = (mu^2 + s^2) m2, Var y = s^2 m2 + mu^2 v, from moments of g to 34 digits."""
    result = gate_moments(name, mean=mean, std=std, samples=20_000)
    assert result.agree, result
    g = {key: float(value) for key, value in oracle_moments(GATES[name].gate.name, mean, std).items()}
    square = mean * mean + std * std
    exact = {
        "forward.mean": mean * g["mean"],
        "forward.second_moment": square * g["second_moment"],
        "forward.var": std**2 * g["second_moment"] + mean**2 * g["var"],
        "backward.value_slope": g["second_moment"],
        "backward.gate_slope": square * g["slope_second_moment"],
        "backward.slope": g["second_moment"] + square * g["slope_second_moment"],
    }
    for key, quantity in result.quantities().items():
        # Three roundings of what the oracle gives, and of the sum of squares.
        assert abs(quantity.value - exact[key]) <= quantity.error + 8 * math.ulp(exact[key]), key
        assert quantity.error <= 1e-13 * (1 + abs(exact[key])), key


def test_known_numbers() -> None:
    """E[relu^2] = P(b > 0) = 1/2; a product of two standard normal numbers has second moment 1."""
    reglu, bilinear = (gate_moments(name, samples=0) for name in ("reglu", "bilinear"))
    assert reglu.forward.second_moment.formula == reglu.backward.gate_slope.formula == "1/2"
    assert reglu.backward.slope.routes[Route.CERTIFIED].digits == "1.00000000000000000000000000000"
    assert bilinear.forward.second_moment.value == bilinear.forward.var.value == 1.0
    assert gate_moments("geglu", samples=0).forward.second_moment.formula == "1/(2*sqrt(3)*pi) + 1/3"


def test_a_wrong_factorisation_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The planted fault: E[a^2] taken for Var a, which only sampling of both inputs can see."""
    text = "s**2*slope_second_moment"
    monkeypatch.setitem(module._FORMULAS, "gate_slope", parse(text, {"s", "slope_second_moment"}))
    result = gate_moments("swiglu", mean=1.0, digits=None)
    assert not result.backward.gate_slope.agree
    assert not result.agree


def test_errors_of_sampling_are_calibrated() -> None:
    """z-scores of 40 seeds: a sum of squares of mean 40 and standard deviation sqrt(80)."""
    exact = gate_moments("swiglu", mean=0.5, samples=0)
    for key, group in (("mean", "forward"), ("second_moment", "forward"), ("var", "forward"), ("slope", "backward")):
        truth = exact.quantities()[f"{group}.{key}"].value
        runs = [sampling.gate_moments(GATES["swiglu"], mean=0.5, samples=20_000, seed=seed)[key] for seed in range(40)]
        total = sum(((run.value - truth) / run.error) ** 2 for run in runs)
        assert abs(total - 40) <= 5 * math.sqrt(80), key


def test_seeds_decide() -> None:
    first, again = (sampling.gate_moments(GATES["glu"], samples=1_000, seed=3) for _ in range(2))
    assert first == again
    assert first != sampling.gate_moments(GATES["glu"], samples=1_000, seed=4)


def test_refusals() -> None:
    with pytest.raises(UnknownNameError, match="swiglu"):
        gate_moments("swigle")
    with pytest.raises(DomainError, match="standard deviation"):
        gate_moments("glu", std=-1.0)
    with pytest.raises(DomainError, match="at least 2"):
        gate_moments("glu", samples=1)


def test_any_activation_can_be_the_gate() -> None:
    result = gate_moments(Gate("tanhglu", activation("tanh")), samples=2_000)
    assert result.agree
    assert str(result.formula) == "a*tanh(b)"
