import math

import pytest
import torch

from propstats.activations import activation
from propstats.estimate import STANDARD_ERRORS
from propstats.simulation.stream import Stream
from propstats.simulation.weights import draw_weights
from propstats.theory.weights.fans import dense
from propstats.theory.weights.schemes import Law, scheme_names, weight_scheme


def _weights(law: Law, draws: int, units: int, inputs: int) -> torch.Tensor:
    streams = (Stream(0, k, torch.device("cpu"), torch.float64) for k in range(draws))
    return torch.stack([draw_weights(law, units, inputs, stream) for stream in streams])


@pytest.mark.parametrize(("units", "inputs"), [(24, 24), (8, 24), (24, 8)])
@pytest.mark.parametrize("law", list(Law))
def test_weights_have_variance_one_over_fan_in(law: Law, units: int, inputs: int) -> None:
    draws = 200
    drawn = _weights(law, draws, units, inputs)
    squares = drawn.square().mean(dim=(1, 2)) * inputs
    error = squares.std().item() / math.sqrt(draws)
    # Unit rows and orthogonal matrices have it exactly, up to rounding.
    assert abs(squares.mean().item() - 1) <= STANDARD_ERRORS * error + 1e-14
    means = drawn.mean(dim=(1, 2))
    assert abs(means.mean().item()) <= STANDARD_ERRORS * means.std().item() / math.sqrt(draws)


@pytest.mark.parametrize("name", scheme_names())
def test_scheme_variances_are_those_of_drawn_weights(name: str) -> None:
    n, draws = 24, 200
    scheme = weight_scheme(name)
    promised = scheme.variance(dense(n, n), activation("relu"), 1)
    drawn = (_weights(scheme.law, draws, n, n).square() * (promised * n)).mean(dim=(1, 2))
    error = drawn.std().item() / math.sqrt(draws)
    assert abs(drawn.mean().item() - promised) <= STANDARD_ERRORS * error + 1e-14 * promised


def test_unit_rows() -> None:
    lengths = torch.linalg.vector_norm(_weights(Law.UNIT_ROWS, 5, 33, 20), dim=2)
    assert (lengths - 1).abs().max().item() <= 33 * 2.0**-52


@pytest.mark.parametrize(("units", "inputs"), [(33, 33), (12, 33), (33, 12)])
def test_orthogonal(units: int, inputs: int) -> None:
    """Whichever side is the shorter one is orthonormal, up to the scale that keeps the variance."""
    q = _weights(Law.ORTHOGONAL, 5, units, inputs) * math.sqrt(inputs / max(units, inputs))
    short = q if units <= inputs else q.transpose(1, 2)
    gram = short @ short.transpose(1, 2)
    assert (gram - torch.eye(min(units, inputs), dtype=torch.float64)).abs().max().item() <= 33 * 2.0**-50


def test_orthogonal_is_haar() -> None:
    """E[trace] = 0 and E[trace^2] = 1 for Haar's measure; QR alone, without the signs, fails both."""
    draws = 4_000
    traces = torch.diagonal(_weights(Law.ORTHOGONAL, draws, 6, 6), dim1=1, dim2=2).sum(dim=1)
    for sample, exact in ((traces, 0.0), (traces.square(), 1.0)):
        assert abs(sample.mean().item() - exact) <= STANDARD_ERRORS * sample.std().item() / math.sqrt(draws)


def test_uniform_is_bounded_and_flat() -> None:
    n = 20
    w = _weights(Law.UNIFORM, 100, n, n) * math.sqrt(n / 3)
    assert w.abs().max().item() <= 1
    fourth = w.pow(4).mean(dim=(1, 2))
    assert abs(fourth.mean().item() - 0.2) <= STANDARD_ERRORS * fourth.std().item() / 10
