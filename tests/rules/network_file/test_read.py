"""Network files: what they mean, and what wrong ones are told."""

import json
from pathlib import Path
from typing import Any

import pytest

from propstats.errors import ModelError
from propstats.rules.dense import Weights
from propstats.rules.network_file import read_network

#: A layer of every kind, which may stand in any order.
_KINDS = (
    'kind = "dense"\nunits = 8', 'kind = "conv"\nchannels = 8\nkernel = 3\npadding = 1',
    'kind = "transposed_conv"\nchannels = 8\nkernel = 2\nstride = 2', 'kind = "relu"',
    'kind = "leaky_relu"\nnegative_slope = 0.2',
    'kind = "swiglu"', 'kind = "formula"\nformula = "x*sigmoid(2*x)"', 'kind = "dropout"\nrate = 0.1',
    'kind = "batch_norm"', 'kind = "layer_norm"', 'kind = "rms_norm"', 'kind = "group_norm"\ngroups = 2',
    'kind = "instance_norm"', 'kind = "average_pool"\nkernel = 2', 'kind = "global_average_pool"', 'kind = "flatten"',
    'kind = "identity"', 'kind = "affine"\nscale = 2.0', 'kind = "normprop"\nunits = 8\nact = "elu"\ngamma = 1.0',
    'kind = "normprop"\nchannels = 8\nkernel = 3', 'add = ["input", "input"]', 'concat = ["input", "input"]',
)  # fmt: skip


def _write(folder: Path, text: str, name: str = "net.toml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("layer", _KINDS)
def test_every_kind(layer: str, tmp_path: Path) -> None:
    found = read_network(_write(tmp_path, f"input = [4, 8, 8]\n[[layer]]\n{layer}\n"))
    assert len(found.graph.nodes) == 1
    signals = found.graph.forward(found.statistics.signal(4, has_positions=True))
    assert found.graph.backward(signals)["input"].q > 0


@pytest.mark.parametrize("layer", ['kind = "attention"\nheads = 2', 'kind = "dense"\nunits = 3', 'kind = "layer_norm"'])
def test_sequences(layer: str, tmp_path: Path) -> None:
    text = f'tokens = 5\n[[layer]]\nkind = "embedding"\nunits = 8\nvocabulary = 20\n[[layer]]\n{layer}\n'
    assert read_network(_write(tmp_path, text)).graph.nodes[1].positions == (5,)


def test_repeats_blocks_and_names(tmp_path: Path) -> None:
    text = """
input = 8
[[layer]]
kind = "dense"
units = 8
name = "stem"
[[layer]]
repeat = 2
[[layer.layer]]
kind = "relu"
[[layer.layer]]
kind = "dense"
units = 8
name = "w"
[[layer.layer]]
add = ["input", "w"]
[[layer]]
concat = ["stem", "add_2"]
"""
    graph = read_network(_write(tmp_path, text)).graph
    heard = {node.name: node.inputs for node in graph.nodes}
    assert heard == {
        "stem": ("input",), "relu_1": ("stem",), "w": ("relu_1",), "add_1": ("stem", "w"),
        "relu_2": ("add_1",), "w_2": ("relu_2",), "add_2": ("add_1", "w_2"), "concat_1": ("stem", "add_2"),
    }  # fmt: skip
    assert graph.output.units == 16


def test_schemes_know_the_activation_that_follows(tmp_path: Path) -> None:
    text = 'input = 10\n[[layer]]\nkind = "dense"\nunits = 4\n[[layer]]\nkind = "layer_norm"\n[[layer]]\n'
    text += 'kind = "leaky_relu"\nnegative_slope = 1.0\n'
    rule = read_network(_write(tmp_path, text)).graph.nodes[0].rule
    assert isinstance(rule, Weights)
    assert rule.weight_second_moment == 2 / (1 + 1) / 10  # He, for a slope of 1 on both sides


def test_json_and_toml_are_the_same(tmp_path: Path) -> None:
    layers: list[dict[str, Any]] = [{"kind": "dense", "units": 4, "sigma_w": 1.5}, {"kind": "tanh"}]
    as_json = read_network(_write(tmp_path, json.dumps({"input": [3], "std": 2.0, "layer": layers}), "net.json"))
    text = 'input = [3]\nstd = 2.0\n[[layer]]\nkind = "dense"\nunits = 4\nsigma_w = 1.5\n[[layer]]\nkind = "tanh"\n'
    as_toml = read_network(_write(tmp_path, text))
    assert [node.name for node in as_json.graph.nodes] == [node.name for node in as_toml.graph.nodes]
    signal = as_toml.statistics.signal(3, has_positions=False)
    assert as_json.graph.forward(signal) == as_toml.graph.forward(signal)


def test_dropout_at_test_time_does_nothing(tmp_path: Path) -> None:
    path = _write(tmp_path, 'input = [3]\n[[layer]]\nkind = "dropout"\nrate = 0.5\n')
    for training, q in ((True, 2.0), (False, 1.0)):
        found = read_network(path, training=training)
        assert found.graph.forward(found.statistics.signal(3, has_positions=False))["dropout_1"].q == q


_LAYER = "\n[[layer]]\n"
_WRONG = {
    "no TOML": ("input = [", "is not TOML"),
    "no input": (_LAYER + 'kind = "relu"', "input is missing"),
    "no layers": ("input = [3]", "there are no layers"),
    "width 0 in": ("input = [0]" + _LAYER + 'kind = "relu"', "positive whole numbers"),
    "unknown top": ("inpt = 3\ninput = [3]" + _LAYER + 'kind = "relu"', "unknown key 'inpt' (did you mean input?)"),
    "one bracket": ('input = [3]\n[layer]\nkind = "relu"', "two brackets"),
    "std": ("input = [3]\nstd = 0.0" + _LAYER + 'kind = "relu"', "std of the data must be positive"),
    "unknown kind": (
        "input = [3]" + _LAYER + 'kind = "dens"',
        "line 2: layer 'dens': unknown kind 'dens' (did you mean dense",
    ),
    "no kind": ("input = [3]" + _LAYER + "units = 3", "line 2: layer: kind is missing"),
    "missing key": (
        "input = [3]" + _LAYER + 'kind = "dense"',
        "line 2: layer 'dense': units is missing (it is a whole number)",
    ),
    "width 0": ("input = [3]" + _LAYER + 'kind = "dense"\nunits = 0', "units must be at least 1, got 0"),
    "wrong type": ("input = [3]" + _LAYER + 'kind = "dense"\nunits = "8"', 'units must be a whole number, got "8"'),
    "true is no number": (
        "input = [3]" + _LAYER + 'kind = "dense"\nunits = true',
        "units must be a whole number, got true",
    ),
    "unknown key": (
        "input = [3]" + _LAYER + 'kind = "dense"\nunits = 2\nweight = "he"',
        "unknown key 'weight' (did you mean weights?)",
    ),
    "unknown scheme": ("input = [3]" + _LAYER + 'kind = "dense"\nunits = 2\nweights = "hee"', "unknown scheme 'hee'"),
    "kernel too large": (
        "input = [3, 4, 4]" + _LAYER + 'kind = "conv"\nchannels = 2\nkernel = 7\npadding = 1',
        "a kernel of 7 does not fit into 4 positions padded to 6",
    ),
    "vector": ("input = [3]" + _LAYER + 'kind = "conv"\nchannels = 2\nkernel = 1', "the input is a vector of 3 units"),
    "kernel 0": (
        "input = [3, 4]" + _LAYER + 'kind = "conv"\nchannels = 2\nkernel = 0',
        "kernel must be at least 1, got 0",
    ),
    "axes": (
        "input = [3, 4]" + _LAYER + 'kind = "conv"\nchannels = 2\nkernel = [1, 2]',
        "for each of 1 axes, got [1, 2]",
    ),
    "groups": (
        "input = [3, 4]" + _LAYER + 'kind = "conv"\nchannels = 2\nkernel = 1\ngroups = 2',
        "groups = 2 must divide the channels",
    ),
    "heads": (
        "tokens = 4\ninput = [6]" + _LAYER + 'kind = "attention"\nheads = 4',
        "6 units cannot be shared by 4 heads",
    ),
    "odd gate": ("input = [3]" + _LAYER + 'kind = "glu"', "a gate halves its units, but there are 3"),
    "rate": ("input = [3]" + _LAYER + 'kind = "dropout"\nrate = 1.0', "rate of dropout must lie in [0, 1)"),
    "no number": ("input = [3]" + _LAYER + 'kind = "affine"\nscale = nan', "scale must be finite"),
    "formula": ("input = [3]" + _LAYER + 'kind = "formula"\nformula = "y + 1"', "layer 'formula'"),
    "circle": (
        "input = [3]" + _LAYER + 'kind = "relu"\nname = "a"\ninput = "b"' + _LAYER + 'kind = "tanh"\nname = "b"',
        "layers hear each other in a circle",
    ),
    "itself": ("input = [3]" + _LAYER + 'kind = "relu"\nname = "a"\ninput = "a"', "in a circle: a -> a"),
    "unknown input": ("input = [3]" + _LAYER + 'kind = "relu"\ninput = "stemm"', "hears 'stemm', which does not exist"),
    "same name": (
        "input = [3]" + 2 * (_LAYER + 'kind = "relu"\nname = "a"'),
        "line 5: layer 'a': the name 'a' is taken",
    ),
    "shapes": (
        "input = [3]" + _LAYER + 'kind = "dense"\nunits = 4' + _LAYER + 'add = ["input", "dense_1"]',
        "what is added must have one shape, got input 3, dense_1 4",
    ),
    "one name": ("input = [3]" + _LAYER + 'add = ["input"]', "a list of at least two names"),
    "two outputs": (
        "input = [3]" + _LAYER + 'kind = "relu"' + _LAYER + 'kind = "tanh"\ninput = "input"',
        "the network has 2 outputs: 'relu_1', 'tanh_1'",
    ),
    "the moon": ("input = [3]" + _LAYER + 'kind = "relu"\nrepeat = 1000000', "more than 20,000 layers"),
    "beyond counting": ("input = [3, 10000000]" + _LAYER + 'kind = "relu"', "10,000,000 positions is beyond"),
    "padding": (
        "input = [3, 9]" + _LAYER + 'kind = "conv"\nchannels = 3\nkernel = 1000000\npadding = 1000000',
        "an axis of 1,000,000 positions is beyond",
    ),
    "name": ("input = [3]" + _LAYER + 'kind = "relu"\nname = "\\u001b[2J"', "characters that cannot be shown"),
    "escape": ("input = [3]" + _LAYER + 'kind = "re\\u001b[31mlu"', "unknown kind"),
}  # fmt: skip


@pytest.mark.parametrize("name", _WRONG)
def test_wrong_files_are_told_what_where_and_why(name: str, tmp_path: Path) -> None:
    text, words = _WRONG[name]
    with pytest.raises(ModelError) as caught:
        read_network(_write(tmp_path, text))
    message = str(caught.value)
    assert words in message
    assert len(message.splitlines()) == 1
    assert message.isprintable()
    assert "net.toml" in message


def test_lines_of_nested_tables_and_of_json(tmp_path: Path) -> None:
    text = 'input = [3]\n\n[[layer]]\nrepeat = 2\n\n[[layer.layer]]\nkind = "relu"\n[[layer.layer]]\nkind = "wrong"\n'
    with pytest.raises(ModelError, match="line 8: layer 'wrong'"):
        read_network(_write(tmp_path, text))
    as_json = '{"input": [3],\n "layer": [\n  {"repeat": 2, "layer": [\n   {"kind": "relu"},\n   {"kind": "wrong"}]}]}'
    with pytest.raises(ModelError, match="line 5: layer 'wrong'"):
        read_network(_write(tmp_path, as_json, "net.json"))


@pytest.mark.parametrize(
    ("content", "words"), [(b"\xff\xfe", "is no text"), (b"[1, 2]", "must be a table"), (b"{", "is not JSON")]
)
def test_files_that_are_no_networks(content: bytes, words: str, tmp_path: Path) -> None:
    path = tmp_path / "net.json"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=words):
        read_network(path)


def test_missing_files(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot be read"):
        read_network(tmp_path / "missing.toml")


def test_pooling_and_padding(tmp_path: Path) -> None:
    path = tmp_path / "network.toml"
    layers = [
        'kind = "conv"\nchannels = 4\nkernel = 3\npadding = "same"\npadding_mode = "reflect"',
        'kind = "max_pool"\nkernel = 3\nstride = 2\nceil_mode = true',
        'kind = "lp_pool"\nkernel = 2\nstride = 1',
        'kind = "adaptive_max_pool"\noutput = [2, 1]',
        'kind = "global_max_pool"',
    ]
    path.write_text("input = [3, 8, 8]\n" + "\n".join(f"[[layer]]\n{layer}" for layer in layers), encoding="utf-8")
    nodes = read_network(path).graph.nodes
    assert [(node.units, node.positions) for node in nodes] == [
        (4, (8, 8)), (4, (4, 4)), (4, (3, 3)), (4, (2, 1)), (4, ()),
    ]  # fmt: skip
    assert isinstance(nodes[0].rule, Weights)
    assert nodes[0].rule.fan_in == 27  # what is reflected counts like the rest
