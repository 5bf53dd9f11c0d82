import math

import pytest

from propstats.activations import activation
from propstats.errors import ModelError
from propstats.rules.affine import Affine, Unchanged
from propstats.rules.dense import Weights
from propstats.rules.elementwise import Elementwise
from propstats.rules.graph import Graph
from propstats.rules.join import Add, Concatenate
from propstats.rules.node import Node
from propstats.signals import Gradient, Signal

_HE = Weights(0.0, 2 / 64, 0.0, 0.0, 64, 64, 64)
_RELU = Elementwise(activation("relu"))


def _node(name: str, rule: object, *inputs: str) -> Node:
    return Node(name, "any", rule, inputs or ("input",), 64)  # type: ignore[arg-type]


def test_a_chain_is_its_rules_one_after_the_other() -> None:
    graph = Graph([_node("a", _HE), _node("b", _RELU, "a"), _node("c", _HE, "b")], 64)
    start = Signal(0.0, 1.0, 0.5, units=64)
    signals = graph.forward(start)
    assert signals["c"] == _HE.forward(_RELU.forward(_HE.forward(start)))
    gradients = graph.backward(signals)
    assert gradients["c"] == Gradient(1.0)
    back = _HE.backward(_RELU.backward(_HE.backward(Gradient(1.0), signals["b"]), signals["a"]), start)
    assert gradients["input"] == back


def test_order_does_not_matter() -> None:
    nodes = [_node("a", _HE), _node("b", _RELU, "a"), _node("c", _HE, "b")]
    start = Signal(0.0, 1.0, 0.5)
    assert Graph(nodes[::-1], 64).forward(start) == Graph(nodes, 64).forward(start)


def test_gradients_of_consumers_add() -> None:
    """A residual branch with weights: 1 + what comes back through the branch."""
    graph = Graph([_node("f", _RELU), _node("w", _HE, "f"), _node("sum", Add(), "input", "w")], 64)
    signals = graph.forward(Signal(0.0, 1.0, 1.0))
    assert math.isclose(signals["sum"].q, 1.0 + 1.0)
    assert math.isclose(graph.backward(signals)["input"].q, 1.0 + 0.5 * 2.0)


def test_a_skip_without_weights_is_no_sum_of_independent_signals() -> None:
    """x + relu(x): q = (4 + 1)/2, and the slope is 2 or 1, half of the time each."""
    graph = Graph([_node("f", _RELU), _node("sum", Add(), "input", "f")], 64)
    signals = graph.forward(Signal(0.0, 1.0, 1.0))
    assert math.isclose(signals["sum"].q, 2.5, rel_tol=1e-12)
    assert math.isclose(graph.backward(signals)["input"].q, 2.5, rel_tol=1e-12)
    assert graph.shared["sum"].source == "input"


def test_a_signal_added_to_itself_doubles() -> None:
    graph = Graph([_node("a", Unchanged()), _node("b", Affine(1.0), "a"), _node("sum", Add(), "a", "b")], 64)
    signals = graph.forward(Signal(0.5, 1.25, 0.4))
    assert math.isclose(signals["sum"].q, 5.0, rel_tol=1e-12)
    assert math.isclose(signals["sum"].var, 1.6, rel_tol=1e-12)
    assert math.isclose(graph.backward(signals)["input"].q, 4.0, rel_tol=1e-12)


def test_branches_that_cannot_be_followed_are_named() -> None:
    half = Concatenate((64, 64))
    nodes = [_node("twice", half, "input", "input"), _node("a", _RELU, "twice"), _node("sum", Add(), "a", "b")]
    nodes.append(_node("b", Unchanged(), "other"))
    nodes.append(_node("other", half, "input", "input"))
    assert Graph(nodes, 64).shared["sum"].together is None


@pytest.mark.parametrize(
    ("nodes", "words"),
    [
        ([], "no layers"),
        ([_node("a", _HE), _node("a", _HE)], "two layers are called 'a'"),
        ([_node("input", _HE)], "the network's input"),
        ([_node("a", _HE, "bb")], "layer 'a' hears 'bb', which does not exist"),
        ([_node("a", _HE, "b"), _node("b", _HE, "c"), _node("c", _HE, "a")], "in a circle: c -> b -> a -> c"),
        ([_node("a", _HE), _node("b", _HE), _node("c", _HE, "a")], "2 outputs: 'b', 'c'"),
    ],
)
def test_what_is_no_network(nodes: list[Node], words: str) -> None:
    with pytest.raises(ModelError) as caught:
        Graph(nodes, 64)
    assert words.split(":")[0] in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1
