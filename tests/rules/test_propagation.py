import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import propstats
from propstats.activations import activation
from propstats.errors import DomainError, ModelError
from propstats.rules.dense import Weights
from propstats.rules.elementwise import Elementwise
from propstats.rules.graph import Graph
from propstats.rules.node import Node
from propstats.rules.propagation import propagate_graph
from propstats.rules.statistics import InputStatistics


def _deep(act: str, gain: float, depth: int = 20, width: int = 100) -> Graph:
    nodes, last = [], "input"
    for i in range(depth):
        weights = Weights(0.0, gain / width, 0.0, 0.0, width, width, width)
        nodes.append(Node(f"w{i}", "dense", weights, (last,), width))
        nodes.append(Node(f"a{i}", act, Elementwise(activation(act)), (f"w{i}",), width))
        last = f"a{i}"
    return Graph(nodes, width)


def test_he_keeps_the_second_moment_of_relu_networks() -> None:
    found = propagate_graph(_deep("relu", 2.0), InputStatistics())
    assert all(math.isclose(layer.mean**2 + layer.std**2, 1.0) for layer in found.layers[2::2])
    assert all(math.isclose(layer.backward_std, 1.0) for layer in found.layers[::2])
    assert found.weight_layers == 20
    assert found.passed


def test_the_correlation_of_two_inputs_follows_cho_and_saul() -> None:
    found = propagate_graph(_deep("relu", 2.0, depth=3), InputStatistics(correlation=0.5))
    c = 0.5
    for layer in found.layers[2::2]:
        c = (math.sqrt(1 - c * c) + c * (math.pi - math.acos(c))) / math.pi
        assert math.isclose(layer.c, c, rel_tol=1e-10)


@pytest.mark.parametrize(("gain", "survives"), [(2.0, True), (1.0, False), (3.5, False)])
def test_verdicts(gain: float, survives: bool) -> None:
    found = propagate_graph(_deep("relu", gain), InputStatistics())
    assert found.passed is survives
    assert (found.backward.dies_at is None) is survives
    assert found.backward.rate is not None
    assert math.isclose(found.backward.rate, math.sqrt(gain / 2))


def test_where_it_dies_is_the_first_layer_beyond_a_hundred_for_good() -> None:
    found = propagate_graph(_deep("relu", 0.5, depth=10), InputStatistics())
    roots = {layer.name: math.sqrt(layer.var) for layer in found.layers}
    died = next(name for name, root in roots.items() if root <= roots["input"] / 100)
    assert found.forward.dies_at == died


def test_relu_fluctuates_by_five_over_width_a_layer() -> None:
    """The variance of log q grows by 5/N a layer (Hanin & Nica 2020, arXiv:1812.05994), from 2/N of the input."""
    found = propagate_graph(_deep("relu", 2.0, depth=4, width=100), InputStatistics())
    for depth, layer in enumerate(found.layers[2::2], start=1):
        assert math.isclose(layer.error**2, 0.02 + 0.05 * depth)


def test_signals_beyond_all_numbers_are_named() -> None:
    with pytest.raises(ModelError, match=r"not finite from layer '[aw]1"):
        propagate_graph(_deep("square", 1e150, depth=20), InputStatistics())


@given(
    act=st.sampled_from(["relu", "tanh", "gelu", "elu", "sin", "abs"]),
    mean=st.floats(-2, 2),
    std=st.floats(0.1, 3),
    correlation=st.floats(0, 0.99),
)
@settings(max_examples=25, deadline=None)
def test_statistics_make_sense(act: str, mean: float, std: float, correlation: float) -> None:
    found = propagate_graph(_deep(act, 1.5, depth=3), InputStatistics(mean, std, correlation))
    for layer in found.layers:
        q = layer.mean**2 + layer.std**2
        assert 0.0 <= layer.var <= q * (1 + 1e-9)
        assert -1e-9 <= layer.c <= 1 + 1e-9
        assert layer.error >= 0
        assert layer.backward_std > 0


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"std": 0.0}, "std of the data must be positive"),
        ({"mean": math.nan}, "mean of the data must be a finite number"),
        ({"correlation": -0.1}, "correlation must lie in"),
        ({"correlation": 1.0}, "correlation must be below 1"),
        ({"position_correlation": 1.5}, "position_correlation must lie in"),
    ],
)
def test_data_that_cannot_be(wrong: dict[str, float], words: str) -> None:
    with pytest.raises(DomainError, match=words):
        propagate_graph(_deep("relu", 2.0, depth=1), InputStatistics(**wrong))


def test_the_library_takes_a_graph() -> None:
    graph = _deep("relu", 2.0, depth=1)
    assert propstats.propagate(graph, std=2.0) == propagate_graph(graph, InputStatistics(std=2.0), name="graph")
