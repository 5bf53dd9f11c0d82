"""Where branches of a sum part: found without walking the whole network, as walking it finds."""

from hypothesis import given
from hypothesis import strategies as st

from propstats.activations import activation
from propstats.rules.dense import Weights
from propstats.rules.elementwise import Elementwise
from propstats.rules.join import Add, Concatenate
from propstats.rules.node import Node
from propstats.rules.rule import Join, Rule
from propstats.rules.shared import find_shared

HE = Weights(0.0, 2 / 64, 0.0, 0.0, fan_in=64, fan_out=64, units=64)
RULES: dict[str, Rule | Join] = {
    "weights": HE, "relu": Elementwise(activation("relu")), "add": Add(), "concatenate": Concatenate((64, 64)),
}  # fmt: skip


@st.composite
def networks(draw: st.DrawFn) -> list[Node]:
    """Layers, each of which hears one or two before it."""
    nodes: list[Node] = []
    for place in range(draw(st.integers(2, 12))):
        names = ["input", *(node.name for node in nodes)]
        kind = draw(st.sampled_from(sorted(RULES)))
        count = 2 if kind in ("add", "concatenate") else 1
        inputs = tuple(draw(st.sampled_from(names)) for _ in range(count))
        nodes.append(Node(str(place), kind, RULES[kind], inputs, 64))
    return nodes


def traced(name: str, nodes: list[Node]) -> set[str]:
    """Everything that a layer can be traced back to without passing weights."""
    node = next((node for node in nodes if node.name == name), None)
    if node is None or node.kind == "weights":
        return {name}
    return {name}.union(*(traced(before, nodes) for before in node.inputs))


@given(networks())
def test_sums_share_a_source_where_walking_back_finds_one(nodes: list[Node]) -> None:
    found = find_shared(nodes)
    for node in nodes:
        if node.kind == "add":
            common = traced(node.inputs[0], nodes) & traced(node.inputs[1], nodes)
            assert (node.name in found) == bool(common)
            if common:
                assert found[node.name].source in common


def test_the_source_that_is_named_is_the_nearest() -> None:
    two = Concatenate((64, 64))
    nodes = [Node("a", "concatenate", two, ("input", "input"), 128), Node("b", "concatenate", two, ("a", "a"), 256)]
    nodes += [Node("c", "concatenate", two, ("b", "b"), 512), Node("sum", "add", Add(), ("b", "c"), 512)]
    shared = find_shared(nodes)["sum"]
    assert (shared.source, shared.together) == ("b", None)
