import math

import numpy as np
import pytest
import torch

from propstats.activations import activation
from propstats.errors import DomainError
from propstats.estimate import STANDARD_ERRORS
from propstats.expectation.sampling import block_seed
from propstats.simulation import network as simulation
from propstats.simulation.network import Draws, draw_jacobians
from propstats.theory.network import DenseNetwork
from propstats.theory.weights.fans import dense
from propstats.theory.weights.schemes import Law, scheme_names, weight_scheme


def _network(scheme: str = "he", depth: int = 3, width: int = 16, name: str = "relu") -> DenseNetwork:
    return DenseNetwork(activation(name), weight_scheme(scheme), depth, width, 1.0, 0.0)


def _drawn(network: DenseNetwork, draws: int, seed: int = 0) -> Draws:
    batches = list(draw_jacobians(network, draws=draws, seed=seed))
    return Draws(
        *(
            np.concatenate([getattr(b, part) for b in batches])
            for part in ("singular_values", "ranks", "second_moments")
        )
    )


def _weights(law: Law, draws: int, n: int) -> torch.Tensor:
    generators = [torch.Generator().manual_seed(k) for k in range(draws)]

    def normal(*shape: int) -> torch.Tensor:
        return torch.stack([torch.randn(shape, generator=g, dtype=torch.float64) for g in generators])

    return simulation._weights(law, generators, normal, n)


@pytest.mark.parametrize("law", list(Law))
def test_weights_have_variance_one_over_n(law: Law) -> None:
    n, draws = 24, 200
    squares = _weights(law, draws, n).square().mean(dim=(1, 2)) * n
    error = squares.std().item() / math.sqrt(draws)
    # Unit rows and orthogonal matrices have it exactly, up to rounding.
    assert abs(squares.mean().item() - 1) <= STANDARD_ERRORS * error + 1e-14
    means = _weights(law, draws, n).mean(dim=(1, 2))
    assert abs(means.mean().item()) <= STANDARD_ERRORS * means.std().item() / math.sqrt(draws)


@pytest.mark.parametrize("name", scheme_names())
def test_scheme_variances_are_those_of_drawn_weights(name: str) -> None:
    n, draws = 24, 200
    network = _network(name, width=n)
    drawn = (_weights(network.scheme.law, draws, n) * network.sigma_w).square().mean(dim=(1, 2))
    promised = network.scheme.variance(dense(n, n), network.activation, network.depth)
    error = drawn.std().item() / math.sqrt(draws)
    assert abs(drawn.mean().item() - promised) <= STANDARD_ERRORS * error + 1e-14 * promised


def test_unit_rows() -> None:
    lengths = torch.linalg.vector_norm(_weights(Law.UNIT_ROWS, 5, 33), dim=2)
    assert (lengths - 1).abs().max().item() <= 33 * 2.0**-52


def test_orthogonal() -> None:
    q = _weights(Law.ORTHOGONAL, 5, 33)
    assert (q @ q.transpose(1, 2) - torch.eye(33, dtype=torch.float64)).abs().max().item() <= 33 * 2.0**-50


def test_orthogonal_is_haar() -> None:
    """E[trace] = 0 and E[trace^2] = 1 for Haar's measure; QR alone, without the signs, fails both."""
    draws = 4_000
    traces = torch.diagonal(_weights(Law.ORTHOGONAL, draws, 6), dim1=1, dim2=2).sum(dim=1)
    for sample, exact in ((traces, 0.0), (traces.square(), 1.0)):
        assert abs(sample.mean().item() - exact) <= STANDARD_ERRORS * sample.std().item() / math.sqrt(draws)


def test_uniform_is_bounded_and_flat() -> None:
    n = 20
    w = _weights(Law.UNIFORM, 100, n) * math.sqrt(n / 3)
    assert w.abs().max().item() <= 1
    fourth = w.pow(4).mean(dim=(1, 2))
    assert abs(fourth.mean().item() - 0.2) <= STANDARD_ERRORS * fourth.std().item() / 10


@pytest.mark.parametrize("scheme", scheme_names())
def test_batches_do_not_matter(scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = _drawn(_network(scheme), 7)
    monkeypatch.setattr(simulation, "_BATCH_BYTES", 3 * 8 * 4 * 16**2)
    assert [len(batch.ranks) for batch in draw_jacobians(_network(scheme), draws=7)] == [3, 3, 1]
    parts = _drawn(_network(scheme), 7)
    assert np.array_equal(whole.ranks, parts.ranks)
    # Batched linear algebra may sum in another order: some roundings of the largest value.
    assert np.allclose(whole.singular_values, parts.singular_values, rtol=0, atol=1e-13 * whole.singular_values.max())
    assert np.allclose(whole.second_moments, parts.second_moments, rtol=1e-13)


def test_draw_k_is_the_same_whatever_the_number_of_draws() -> None:
    few, many = _drawn(_network(), 3, seed=5), _drawn(_network(), 8, seed=5)
    assert np.allclose(few.singular_values, many.singular_values[:3], rtol=0, atol=1e-13 * few.singular_values.max())
    assert np.allclose(few.second_moments, many.second_moments[:3], rtol=1e-13)
    other = _drawn(_network(), 3, seed=6)
    assert not np.allclose(few.second_moments, other.second_moments)


def test_global_generator_is_left_alone() -> None:
    before = torch.random.get_rng_state()
    _drawn(_network(), 2)
    assert torch.equal(torch.random.get_rng_state(), before)


@pytest.mark.parametrize("scheme", ["he", "normprop", "orthogonal"])
def test_singular_values_are_those_of_autograds_jacobian(scheme: str) -> None:
    """The same network, as torch differentiates it."""
    network = DenseNetwork(activation("gelu"), weight_scheme(scheme), 3, 6, 1.0, 0.0)
    drawn = _drawn(network, 2, seed=3)
    for k in range(2):
        generator = [torch.Generator().manual_seed(block_seed(3, k))]

        def normal(*shape: int, generator: list[torch.Generator] = generator) -> torch.Tensor:
            return torch.randn(shape, generator=generator[0], dtype=torch.float64).unsqueeze(0)

        x = normal(6, 1)[0]
        weights = [simulation._weights(network.scheme.law, generator, normal, 6)[0] * network.sigma_w for _ in range(3)]

        def forward(x: torch.Tensor, weights: list[torch.Tensor] = weights) -> torch.Tensor:
            for w in weights:
                h: torch.Tensor = network.activation(network.gamma * (w @ x))
                x = (h - network.shift) / network.scale
            return x

        jacobian: torch.Tensor = torch.func.jacrev(forward)(x[:, 0])
        rms = math.exp(0.5 * sum(math.log(law.moment(1)) for law in network.slope_laws))
        exact = torch.linalg.svdvals(jacobian).numpy() / rms
        assert np.allclose(drawn.singular_values[k], exact, rtol=0, atol=1e-12 * exact[0])


def test_refusals() -> None:
    with pytest.raises(DomainError, match="draws must be at least 1, got 0"):
        list(draw_jacobians(_network(), draws=0))
    with pytest.raises(DomainError, match="GiB") as caught:
        list(draw_jacobians(_network(width=10**6), draws=1))
    assert "smaller width" in caught.value.hint
    with pytest.raises(DomainError, match="not available"):
        list(draw_jacobians(_network(), draws=1, device="cuda:77"))
