"""Random networks of finite width, extrapolated to infinite width, do what the maps say."""

import math

import numpy as np
import pytest
import torch

from propstats.activations import activation
from propstats.theory.mean_field.second_moment import SecondMomentMap
from propstats.theory.mean_field.trajectory import trajectory

_DEPTH, _WIDTH, _DRAWS, _BATCH = 5, 128, 600, 50
#: Five layers, two numbers each, of four networks: at 4.5 a sound run fails once in four thousand.
_STANDARD_ERRORS = 4.5


def _simulated(name: str, sigma_w: float, sigma_b: float, q0: float, c0: float, width: int, seed: int):  # type: ignore[no-untyped-def]
    """Second moment and covariance of two inputs' pre-activations, shape (draws, depth + 1, 2)."""
    unit = activation(name)
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    found = []
    for _ in range(_DRAWS // _BATCH):
        common, own = normal(_BATCH, width, 1), normal(_BATCH, width, 2)
        h = math.sqrt(q0) * (math.sqrt(c0) * common + math.sqrt(1 - c0) * own)
        rows = []
        for layer in range(_DEPTH + 1):
            if layer:
                weights = normal(_BATCH, width, width) * (sigma_w / math.sqrt(width))
                h = weights @ unit(h) + sigma_b * normal(_BATCH, width, 1)
            rows.append(torch.stack([h.square().mean(dim=(1, 2)), h.prod(dim=2).mean(dim=1)], dim=1))
        found.append(torch.stack(rows, dim=1))
    return torch.cat(found).numpy()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "sigma_w", "sigma_b"),
    [("tanh", 1.5, 0.3), ("relu", math.sqrt(2), 0.0), ("gelu", 1.3, 0.2), ("sin", 1.8, 0.1)],
)
def test_wide_networks(name: str, sigma_w: float, sigma_b: float) -> None:
    narrow, wide = (
        _simulated(name, sigma_w, sigma_b, 1.5, 0.4, width, seed) for seed, width in enumerate((_WIDTH, 2 * _WIDTH))
    )
    # The means are off by a series in 1/width, whose first term this removes; the next, (depth/width)^2, is a tenth of
    # the standard error.
    mean = 2 * wide.mean(axis=0) - narrow.mean(axis=0)
    error = np.sqrt((4 * wide.var(axis=0, ddof=1) + narrow.var(axis=0, ddof=1)) / _DRAWS)
    layer = SecondMomentMap(activation(name), sigma_w, sigma_b)
    for state in trajectory(layer, q0=1.5, c0=0.4, depth=_DEPTH):
        q, covariance = mean[state.layer]
        for simulated, theory, spread in (
            (q, state.q.value, error[state.layer, 0]),
            (covariance, state.q.value * state.c.value, error[state.layer, 1]),
        ):
            assert abs(simulated - theory) <= _STANDARD_ERRORS * spread


@pytest.mark.slow
def test_a_wrong_theory_would_be_seen() -> None:
    wide = _simulated("tanh", 1.5, 0.3, 1.5, 0.4, 2 * _WIDTH, 0)
    layer = SecondMomentMap(activation("tanh"), 1.55, 0.3)
    *_, last = trajectory(layer, q0=1.5, c0=0.4, depth=_DEPTH)
    q, error = wide[:, -1, 0].mean(), wide[:, -1, 0].std(ddof=1) / math.sqrt(_DRAWS)
    assert abs(q - last.q.value) > 2 * _STANDARD_ERRORS * error
