"""Derivations of gated units: their results against quadrature and sampling, step by step."""

import pytest

from propstats.activations import activation
from propstats.activations.expression import evaluate
from propstats.activations.gates import GATES, Gate
from propstats.activations.namespaces import float_namespace
from propstats.activations.syntax import parse, str_of
from propstats.errors import DomainError, UnknownNameError
from propstats.report.derivation import to_text
from propstats.theory import gate_derivation as module
from propstats.theory.derivation import derive
from propstats.theory.gate import gate_moments
from propstats.theory.gate_derivation import derive_gate

_QUANTITIES = ("mean", "second_moment", "var", "value_slope", "gate_slope", "slope")


@pytest.mark.parametrize("quantity", _QUANTITIES)
@pytest.mark.parametrize("name", ["bilinear", "reglu", "geglu"])
def test_closed_forms_have_the_value_of_the_moments(name: str, quantity: str) -> None:
    """At a mean and a deviation where nothing is 0 by symmetry."""
    mean, std = 0.7, 1.3
    found = derive_gate(GATES[name], quantity)
    assert found.is_closed
    value = evaluate(found.formula, {"mu": mean, "s": std}, float_namespace())
    known = gate_moments(name, mean=mean, std=std, samples=0, digits=None).quantities()
    (exact,) = (q for key, q in known.items() if key.partition(".")[2] == quantity)
    assert value == pytest.approx(exact.value, rel=1e-13)
    assert found.standard is not None
    at_0 = gate_moments(name, samples=0, digits=None).quantities()
    (exact,) = (q for key, q in at_0.items() if key.partition(".")[2] == quantity)
    assert evaluate(found.standard, {}, float_namespace()) == pytest.approx(exact.value, rel=1e-13, abs=1e-15)


def test_known_results() -> None:
    """`E[y^2] = E[relu^2] = 1/2`, and both ways back together carry 1."""
    results = {quantity: derive_gate(GATES["reglu"], quantity).standard for quantity in ("second_moment", "slope")}
    assert {name: None if tree is None else str_of(tree) for name, tree in results.items()} == {
        "second_moment": "1/2",
        "slope": "1",
    }


def test_the_steps_of_swiglu() -> None:
    text = to_text(derive("swiglu", "var", mean=0.5))
    assert "y = a*b*sigmoid(b), a, b ~ N(mu, s^2), independent" in text
    assert "var = E[a^2 g(b)^2] - E[a g(b)]**2" in text
    assert "var = E[a^2]*E[g(b)^2] - (E[a]*E[g(b)])**2" in text
    assert "var = (mu**2 + s**2)*E[g(b)^2] - (mu*E[g(b)])**2" in text
    assert "no rule fits" in text
    assert "all routes agree" in text


def test_a_wrong_moment_of_a_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The planted fault: E[a^2] taken for Var a."""
    monkeypatch.setitem(module._MOMENTS_OF_A, "a2", parse("s**2", {"s"}))
    value = evaluate(derive_gate(GATES["reglu"], "second_moment").formula, {"mu": 1.0, "s": 1.0}, float_namespace())
    assert abs(value - gate_moments("reglu", mean=1.0, samples=0).forward.second_moment.value) > 0.1


def test_any_activation_can_be_the_gate() -> None:
    assert derive(Gate("eluglu", activation("elu")), "mean").check.agree


def test_refusals() -> None:
    with pytest.raises(UnknownNameError, match="second_moment"):
        derive("swiglu", "second_momen")
    with pytest.raises(DomainError, match="no parameters"):
        derive("swiglu", "mean", a=1.0)
    with pytest.raises(DomainError, match="greater than 0"):
        derive("glu", std=0.0)
