"""Gated units `a*g(b)`: one input times an activation of another."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from propstats.activations.activation import Activation
from propstats.activations.catalog import CATALOG
from propstats.activations.expression import Symbol, call, substitute
from propstats.activations.syntax import str_of
from propstats.errors import unknown_name

_SHAZEER = "Shazeer 2020, arXiv:2002.05202"


@dataclass(frozen=True)
class Gate:
    """A unit of two inputs, `a*g(b)`.

    Args:
        name: How users call it.
        gate: The activation g.
        reference: Who introduced it.

    >>> GATES["reglu"](3.0, 2.0).item(), GATES["reglu"](3.0, -2.0).item()
    (6.0, 0.0)
    """

    name: str
    gate: Activation
    reference: str = ""

    def __call__(self, a: Any, b: Any) -> Any:
        """Apply the gate, elementwise, to numbers, numpy arrays or torch tensors."""
        return a * self.gate(b)

    def __str__(self) -> str:
        return str_of(call("mul", Symbol("a"), substitute(self.gate.formula, {"x": Symbol("b")})))


def _gates() -> Mapping[str, Gate]:
    entry = {activation.name: activation for activation in CATALOG}
    gates = (
        Gate("glu", entry["sigmoid"], "Dauphin et al. 2017, arXiv:1612.08083"),
        Gate("bilinear", entry["identity"], "Mnih & Hinton 2007"),
        Gate("reglu", entry["relu"], _SHAZEER),
        Gate("geglu", entry["gelu"], _SHAZEER),
        Gate("swiglu", entry["silu"], _SHAZEER),
    )
    return {gate.name: gate for gate in gates}


#: All gates, by name.
GATES = _gates()


def gate_names() -> list[str]:
    """Return the names of all known gates, sorted."""
    return sorted(GATES)


def gate(name: str) -> Gate:
    """Look a gate up by name.

    Raises:
        UnknownNameError: If there is no such gate; the nearest names are suggested.

    >>> print(gate("swiglu"))
    a*b*sigmoid(b)
    """
    if name.lower() not in GATES:
        raise unknown_name("gate", name, gate_names())
    return GATES[name.lower()]
