import math

import numpy as np
import pytest
import torch

from propstats.activations import activation
from propstats.errors import DomainError, UnknownNameError
from propstats.simulation.network import Draw, draw_jacobians
from propstats.simulation.stream import Stream
from propstats.simulation.weights import draw_weights
from propstats.theory.network import DenseNetwork
from propstats.theory.weights.schemes import weight_scheme


def _network(
    scheme: str = "he", widths: tuple[int, ...] = (16, 16, 16, 16), name: str = "relu", sigma_b: float | None = None
) -> DenseNetwork:
    return DenseNetwork(activation(name), weight_scheme(scheme), widths, sigma_b=sigma_b)


def _same(a: Draw, b: Draw) -> bool:
    return (
        np.array_equal(a.singular_values, b.singular_values)
        and a.rank == b.rank
        and np.array_equal(a.second_moments, b.second_moments)
    )


@pytest.mark.parametrize("scheme", ["he", "orthogonal", "torch"])
def test_threads_do_not_matter(scheme: str) -> None:
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        one = list(draw_jacobians(_network(scheme), draws=9))
        torch.set_num_threads(3)
        three = list(draw_jacobians(_network(scheme), draws=9))
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(threads)
    assert len(one) == 9
    assert all(map(_same, one, three))


def test_draw_k_is_the_same_whatever_the_number_of_draws() -> None:
    few, many = (list(draw_jacobians(_network(), draws=draws, seed=5)) for draws in (3, 8))
    assert all(map(_same, few, many))
    other = next(draw_jacobians(_network(), draws=3, seed=6))
    assert not np.array_equal(few[0].second_moments, other.second_moments)


def test_global_generator_is_left_alone() -> None:
    before = torch.random.get_rng_state()
    list(draw_jacobians(_network(), draws=2))
    assert torch.equal(torch.random.get_rng_state(), before)


@pytest.mark.parametrize("precision", ["float64", "accurate"])
@pytest.mark.parametrize("sigma_b", [None, 0.4])
@pytest.mark.parametrize("widths", [(6, 6, 6), (3, 7, 5)])
@pytest.mark.parametrize("scheme", ["he", "normprop", "orthogonal"])
def test_singular_values_are_those_of_autograds_jacobian(
    scheme: str, widths: tuple[int, ...], sigma_b: float | None, precision: str
) -> None:
    """The same network, as torch differentiates it."""
    network = _network(scheme, widths, "gelu", sigma_b)
    for k, drawn in enumerate(draw_jacobians(network, draws=2, seed=3, precision=precision)):
        stream = Stream(3, k, torch.device("cpu"), torch.float64)
        x = stream.normal(widths[0])
        weights, biases = [], []
        for layer in range(network.depth):
            inputs, units = widths[layer : layer + 2]
            weights.append(draw_weights(network.scheme.law, units, inputs, stream) * network.sigma_w[layer])
            biases.append(stream.normal(units) * sigma_b if sigma_b else torch.zeros(units))

        def forward(
            x: torch.Tensor, weights: list[torch.Tensor] = weights, biases: list[torch.Tensor] = biases
        ) -> torch.Tensor:
            for w, b in zip(weights, biases, strict=True):
                h: torch.Tensor = network.activation(network.gamma * (w @ x) + b)
                x = (h - network.shift) / network.scale
            return x

        jacobian: torch.Tensor = torch.func.jacrev(forward)(x)
        rms = math.exp(0.5 * sum(math.log(law.moment(1)) for law in network.slope_laws))
        exact = torch.linalg.svdvals(jacobian).numpy() / rms
        assert np.allclose(drawn.singular_values, exact, rtol=0, atol=1e-12 * exact[0])
        assert drawn.second_moments[-1] == pytest.approx(float(forward(x).square().mean()), rel=1e-12)


def test_single_precision_is_the_same_law_with_other_rounding() -> None:
    values = next(draw_jacobians(_network("orthogonal", name="tanh"), draws=1, precision="float32")).singular_values
    assert values.dtype == np.float64
    assert np.array_equal(values, values.astype(np.float32))


def test_refusals() -> None:
    with pytest.raises(DomainError, match="draws must be at least 1, got 0"):
        list(draw_jacobians(_network(), draws=0))
    with pytest.raises(DomainError, match="GiB") as caught:
        list(draw_jacobians(_network(widths=(10**6, 10**6)), draws=1))
    assert "smaller width" in caught.value.hint
    with pytest.raises(DomainError, match="not available"):
        list(draw_jacobians(_network(), draws=1, device="cuda:77"))
    with pytest.raises(UnknownNameError, match="float16"):
        list(draw_jacobians(_network(), draws=1, precision="float16"))
