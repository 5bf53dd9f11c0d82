"""Random networks for comparisons of theory with simulation, one maker for each kind of layer and of network."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

Layer = dict[str, Any]
Rng = np.random.Generator

#: Activations of every sort: homogeneous, smooth, bounded, odd, not monotone.
_ACTIVATIONS = (
    "relu", "leaky_relu", "gelu", "silu", "tanh", "elu", "selu", "sigmoid", "softplus", "mish", "hardtanh", "erf",
    "hardswish", "softsign", "sin", "abs", "celu", "relu6",
)  # fmt: skip
_SCHEMES = ("he", "lecun", "glorot", "torch")


@dataclass(frozen=True)
class Setting:
    """One network.

    Args:
        description: What a network file holds.
        largest: How many numbers its largest layer hands on for one input.
        weights: How many weights its largest layer has.
    """

    description: Mapping[str, Any]
    largest: int
    weights: int

    def numbers(self, inputs: int) -> int:
        """How many numbers one draw takes."""
        return max(self.largest * inputs, self.weights)


def _vector(rng: Rng, layers: list[Layer], units: int, widest: int, weights: int = 1) -> Setting:
    top = {"input": [units], **_data(rng), "layer": layers}
    return Setting(top, max(units, widest), weights)


def _image(rng: Rng, layers: list[Layer], shape: tuple[int, ...], widest: int, weights: int = 1) -> Setting:
    top = {"input": list(shape), **_data(rng), "position_correlation": float(rng.uniform(0, 0.6)), "layer": layers}
    return Setting(top, max(math.prod(shape), widest), weights)


def _sequence(rng: Rng, layers: list[Layer], units: int, tokens: int, widest: int, weights: int) -> Setting:
    top = {"input": [units], "tokens": tokens, **_data(rng)}
    top |= {"position_correlation": float(rng.uniform(0, 0.6)), "layer": layers}
    return Setting(top, max(units * tokens, widest), weights)


def _data(rng: Rng) -> dict[str, float]:
    """Statistics of the input: means that are not zero, scales that are not one, inputs that are alike."""
    mean = 0.0 if rng.random() < 0.3 else float(rng.normal(0.0, 0.7))
    return {"mean": mean, "std": float(np.exp(rng.normal(0.0, 0.4))), "correlation": float(rng.uniform(0.0, 0.8))}


def _width(rng: Rng, low: int = 32, high: int = 256) -> int:
    """A width, equally likely on a logarithmic scale."""
    return round(float(np.exp(rng.uniform(np.log(low), np.log(high)))))


def _even(rng: Rng, low: int = 32, high: int = 256) -> int:
    return 2 * (_width(rng, low, high) // 2)


def _act(rng: Rng) -> str:
    return str(rng.choice(_ACTIVATIONS))


def _dense(rng: Rng, units: int) -> Layer:
    return {"kind": "dense", "units": units, "weights": str(rng.choice(_SCHEMES))}


def _activation(name: str | None) -> Callable[[Rng], Setting]:
    def make(rng: Rng) -> Setting:
        return _vector(rng, [{"kind": name or _act(rng)}], 64, 64)

    return make


def _one_dense(rng: Rng) -> Setting:
    a, b = _width(rng), _width(rng)
    return _vector(rng, [{**_dense(rng, b), "bias_std": float(rng.uniform(0, 0.5))}], a, b, a * b)


def _conv(rng: Rng, kind: str = "conv") -> Setting:
    groups = int(rng.choice([1, 1, 2, 4]))
    a, b, size = 4 * int(rng.integers(1, 9)), 4 * int(rng.integers(1, 9)), int(rng.integers(6, 11))
    kernel, stride, padding = int(rng.integers(1, 4)), int(rng.integers(1, 3)), int(rng.integers(0, 2))
    padding = min(padding, kernel - 1)
    layer = {"kind": kind, "channels": b, "kernel": kernel, "stride": stride, "padding": padding, "groups": groups}
    widest = b * (size * stride + kernel) ** 2 if kind != "conv" else b * size**2
    return _image(rng, [layer], (a, size, size), widest, a * b * kernel**2)


def _transposed(rng: Rng) -> Setting:
    return _conv(rng, "transposed_conv")


def _dropout(rng: Rng) -> Setting:
    return _vector(rng, [{"kind": "dropout", "rate": float(rng.uniform(0.05, 0.6))}], 64, 64)


def _batch_norm(rng: Rng) -> Setting:
    a = _width(rng)
    return _vector(rng, [{"kind": "batch_norm", "batch": 16}], a, a)


def _norm(kind: str) -> Callable[[Rng], Setting]:
    def make(rng: Rng) -> Setting:
        a = _width(rng)
        return _vector(rng, [{"kind": kind}], a, a)

    return make


def _group_norm(rng: Rng) -> Setting:
    groups, each, size = int(rng.integers(1, 5)), int(rng.integers(4, 9)), int(rng.integers(4, 8))
    return _image(rng, [{"kind": "group_norm", "groups": groups}], (groups * each, size, size), 1)


def _instance_norm(rng: Rng) -> Setting:
    size = int(rng.integers(5, 9))
    return _image(rng, [{"kind": "instance_norm"}], (8, size, size), 1)


def _average_pool(rng: Rng) -> Setting:
    kernel = int(rng.integers(2, 4))
    layer = {"kind": "average_pool", "kernel": kernel, "stride": int(rng.integers(1, 4)), "padding": kernel // 2}
    return _image(rng, [layer], (8, *(int(rng.integers(6, 11)) for _ in range(2))), 1)


def _max_pool(rng: Rng) -> Setting:
    kernel = int(rng.integers(2, 4))
    layers: list[Layer] = [{"kind": str(rng.choice(["relu", "leaky_relu", "identity"]))}]
    layers += [{"kind": "max_pool", "kernel": kernel, "stride": int(rng.integers(2, 4)), "padding": kernel // 2}]
    return _image(rng, layers, (8, *(int(rng.integers(6, 11)) for _ in range(2))), 1)


def _with_max_pools(rng: Rng) -> Setting:
    layers: list[Layer] = []
    for channels in (16, 24):
        layers += [{"kind": "conv", "channels": channels, "kernel": 3, "padding": 1}, {"kind": "relu"}]
        layers += [{"kind": "max_pool", "kernel": 2}]
    layers += [{"kind": "flatten"}, {"kind": "dense", "units": 10}]
    return _image(rng, layers, (3, 12, 12), 16 * 144, 9 * 16 * 24)


def _global_pool(rng: Rng) -> Setting:
    return _image(rng, [{"kind": "global_average_pool"}], (16, *(int(rng.integers(3, 9)) for _ in range(2))), 1)


def _gate(rng: Rng) -> Setting:
    a = _even(rng)
    return _vector(rng, [{"kind": str(rng.choice(["glu", "reglu", "geglu", "swiglu", "bilinear"]))}], a, a)


def _residual(rng: Rng) -> Setting:
    a = _width(rng)
    layers = [{"kind": _act(rng)}, {**_dense(rng, a), "name": "b"}, {"add": ["input", "b"]}]
    return _vector(rng, layers, a, a, a * a)


def _skip(rng: Rng) -> Setting:
    return _vector(rng, [{"kind": _act(rng), "name": "b"}, {"add": ["input", "b"]}], 64, 64)


def _concatenate(rng: Rng) -> Setting:
    a, b, c = (_width(rng) for _ in range(3))
    layers = [
        {**_dense(rng, b), "name": "b"},
        {**_dense(rng, c), "name": "c", "input": "input"},
        {"concat": ["b", "c"]},
    ]
    return _vector(rng, layers, a, b + c, a * (b + c))


def _flatten(rng: Rng) -> Setting:
    a, size, b = int(rng.integers(2, 9)), int(rng.integers(2, 6)), _width(rng)
    return _image(rng, [{"kind": "flatten"}, _dense(rng, b)], (a, size, size), b, a * size**2 * b)


def _embedding(rng: Rng) -> Setting:
    units, rows, tokens, b = _width(rng), int(rng.integers(4, 60)), int(rng.integers(4, 17)), _width(rng)
    layers = [{"kind": "embedding", "units": units, "vocabulary": rows}, _dense(rng, b)]
    return Setting({"tokens": tokens, "layer": layers}, tokens * max(units, b), units * max(rows, b))


def _attention(rng: Rng) -> Setting:
    heads, each, tokens = int(rng.choice([1, 2, 4])), int(rng.choice([32, 48, 64])), int(rng.integers(4, 33))
    units = heads * each
    layer = {"kind": "attention", "heads": heads, "weights": "lecun"}
    # Inputs as normalisation leaves them: logits of standard deviation up to 1, as in a transformer.
    setting = _sequence(rng, [layer], units, tokens, units * tokens, 4 * units**2)
    return Setting({**setting.description, "mean": 0.0, "std": 1.0}, setting.largest, setting.weights)


def _causal(rng: Rng) -> Setting:
    setting = _attention(rng)
    (layer,) = _layers(setting)
    return Setting({**setting.description, "layer": [{**layer, "causal": True}]}, setting.largest, setting.weights)


def _upsample(rng: Rng) -> Setting:
    size, factor = int(rng.integers(3, 8)), int(rng.integers(2, 4))
    layer = {"kind": "upsample", "factor": factor, "mode": str(rng.choice(["nearest", "linear", "cubic"]))}
    return _image(rng, [layer], (8, size, size), 8 * (factor * size) ** 2)


def _unet(rng: Rng) -> Setting:
    """Down, up and beside what was there before."""
    channels = int(rng.choice([16, 24, 32]))
    layers: list[Layer] = [
        {"kind": "conv", "channels": channels, "kernel": 3}, {"kind": "relu", "name": "skip"},
        {"kind": "average_pool", "kernel": 2}, {"kind": "conv", "channels": channels, "kernel": 1}, {"kind": "relu"},
        {"kind": "upsample", "factor": 2, "mode": str(rng.choice(["nearest", "linear"])), "name": "up"},
        {"concat": ["skip", "up"]}, {"kind": "conv", "channels": channels, "kernel": 1},
    ]  # fmt: skip
    return _image(rng, layers, (3, 10, 10), 2 * channels * 64, 9 * 3 * channels + 3 * channels**2)


def _gpt_block(rng: Rng) -> Setting:
    setting = _transformer(rng)
    layers = [{**layer, "causal": True} if layer.get("kind") == "attention" else layer for layer in _layers(setting)]
    return Setting({**setting.description, "layer": layers}, setting.largest, setting.weights)


def _layers(setting: Setting) -> list[Layer]:
    return list(setting.description["layer"])


def _normprop(rng: Rng) -> Setting:
    a, b = _width(rng), _width(rng)
    layer = {"kind": "normprop", "units": b, "act": str(rng.choice(["relu", "tanh", "elu", "gelu"]))}
    layer |= {"gamma": float(rng.uniform(0.7, 1.3)), "beta": float(rng.uniform(-0.3, 0.8))}
    return _vector(rng, [layer], a, b, a * b)


def _feed_forward(rng: Rng) -> Setting:
    a, b = _width(rng, 64), _width(rng, 128, 512)
    layers = [_dense(rng, b), {"kind": str(rng.choice(["relu", "gelu"]))}, _dense(rng, a)]
    return _vector(rng, layers, a, b, 2 * a * b)


def _deep(rng: Rng) -> Setting:
    depth, act = int(rng.integers(2, 9)), str(rng.choice(["relu", "tanh", "gelu", "elu", "leaky_relu"]))
    widths = [_width(rng, 64) for _ in range(depth + 1)]
    layers: list[Layer] = []
    for width in widths[1:]:
        layers += [{"kind": "dense", "units": width, "weights": "he", "bias_std": 0.1}, {"kind": act}]
    return _vector(rng, layers, widths[0], max(widths), sum(a * b for a, b in pairwise(widths)))


def _convolutional(rng: Rng) -> Setting:
    shape = (3, 11, 11)
    layers: list[Layer] = []
    for channels, stride in ((16, 1), (24, 2), (32, 1)):
        layers += [{"kind": "conv", "channels": channels, "kernel": 3, "stride": stride}, {"kind": "relu"}]
    layers += [{"kind": "flatten"}, {"kind": "dense", "units": 10}]
    return _image(rng, layers, shape, 16 * 81, 9 * 24 * 60)


def _residual_network(rng: Rng) -> Setting:
    a, act, norm = (
        _width(rng, 64),
        str(rng.choice(["relu", "gelu", "tanh"])),
        str(rng.choice(["layer_norm", "rms_norm"])),
    )
    layers: list[Layer] = [_dense(rng, a)]
    depth = int(rng.integers(2, 6))
    for block in range(depth):
        before = "dense_1" if block == 0 else f"add_{block}"
        layers += [{"kind": norm}, {"kind": act}, {"kind": "dense", "units": a, "name": f"b{block}"}]
        layers += [{"add": [before, f"b{block}"]}]
    return _vector(rng, layers, a, a, (depth + 1) * a * a)


def _transformer(rng: Rng) -> Setting:
    units, tokens = int(rng.choice([64, 96, 128])), int(rng.integers(4, 17))
    layers: list[Layer] = [
        {"kind": "layer_norm"}, {"kind": "attention", "heads": 2, "weights": "lecun", "name": "a"},
        {"add": ["input", "a"], "name": "x"}, {"kind": "layer_norm"}, {"kind": "dense", "units": 2 * units},
        {"kind": "gelu"}, {"kind": "dense", "units": units, "weights": "lecun", "name": "f"},
        {"add": ["x", "f"], "name": "y"},
    ]  # fmt: skip
    return _sequence(rng, layers, units, tokens, 2 * units * tokens, 8 * units**2)


#: One rule at a time (weights before a join, so that its inputs differ; behind what has no gradient).
RULES: Mapping[str, Callable[[Rng], Setting]] = {
    "relu": _activation("relu"),
    "gelu": _activation("gelu"),
    "activation": _activation(None),
    "gate": _gate,
    "dense": _one_dense,
    "convolution": _conv,
    "transposed convolution": _transposed,
    "normprop": _normprop,
    "dropout": _dropout,
    "batch norm": _batch_norm,
    "layer norm": _norm("layer_norm"),
    "rms norm": _norm("rms_norm"),
    "group norm": _group_norm,
    "instance norm": _instance_norm,
    "average pooling": _average_pool,
    "max pooling": _max_pool,
    "global average pooling": _global_pool,
    "residual sum": _residual,
    "skip around an activation": _skip,
    "concatenation": _concatenate,
    "flatten": _flatten,
    "embedding": _embedding,
    "attention": _attention,
    "causal attention": _causal,
    "upsampling": _upsample,
}
NETWORKS: Mapping[str, Callable[[Rng], Setting]] = {
    "feed-forward": _feed_forward,
    "fully connected, 2 to 8 layers": _deep,
    "convolutional, 4 layers": _convolutional,
    "convolutional with max pooling": _with_max_pools,
    "residual, 2 to 5 blocks": _residual_network,
    "transformer block": _transformer,
    "causal transformer block": _gpt_block,
    "convolutional, down and up again": _unet,
}
