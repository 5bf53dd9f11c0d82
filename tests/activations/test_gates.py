"""Gates against torch, where it has them, and against their definition."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch.nn import functional

from propstats.activations.gates import GATES, gate, gate_names
from propstats.errors import UnknownNameError

_DEFINITIONS: dict[str, Callable[[torch.Tensor, torch.Tensor], torch.Tensor]] = {
    "glu": lambda a, b: functional.glu(torch.cat([a, b]), dim=0),
    "bilinear": lambda a, b: a * b,
    "reglu": lambda a, b: a * functional.relu(b),
    "geglu": lambda a, b: a * functional.gelu(b),
    "swiglu": lambda a, b: a * functional.silu(b),
}


@pytest.mark.parametrize("name", gate_names())
def test_gates_are_torchs(name: str) -> None:
    generator = torch.Generator().manual_seed(0)
    a, b = 5 * torch.randn(2, 1000, dtype=torch.float64, generator=generator)
    value = gate(name)(a, b)
    # Some ten roundings of terms no larger than these.
    allowed = 16 * torch.finfo(torch.float64).eps * (a * b).abs().maximum(a.abs())
    assert bool(((value - _DEFINITIONS[name](a, b)).abs() <= allowed).all())
    assert np.all(np.abs(gate(name)(a.numpy(), b.numpy()) - value.numpy()) <= allowed.numpy())


def test_registry() -> None:
    assert gate_names() == sorted(GATES) == sorted(_DEFINITIONS)
    assert all(entry.name == name and entry.reference for name, entry in GATES.items())
    assert gate("SwiGLU").gate.name == "silu"
    assert str(gate("glu")) == "a*sigmoid(b)"
    with pytest.raises(UnknownNameError, match="did you mean geglu"):
        gate("gegluu")
