"""Layers as their classes make them, and as only a file could have made them."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from normprop_layers import every_layer
from torch import nn

import propstats.nn
import propstats.nn.init
from propstats.activations.activation import Activation
from propstats.errors import ModelError
from propstats.nn import NormProp, NormPropConv2d, NormPropLinear, ScaleGradient, UnitRows
from propstats.nn.activations import Elementwise
from propstats.nn.affine import Affine
from propstats.nn.init.fixup import ScalarBias
from propstats.nn.restored import LAYERS, check_restored


def test_every_public_layer_is_known() -> None:
    public = {
        value
        for room in (propstats.nn, propstats.nn.init)
        for value in vars(room).values()
        if isinstance(value, type) and issubclass(value, nn.Module)
    }
    # The base is no layer; torch does not save parametrised networks.
    assert public - {NormProp, UnitRows} <= set(LAYERS)
    assert {type(layer) for layer in every_layer()} == set(LAYERS)


@pytest.mark.parametrize("layer", every_layer(), ids=lambda layer: type(layer).__name__)
def test_what_classes_make(layer: nn.Module) -> None:
    check_restored(layer)


@pytest.mark.parametrize("activation", ["relu", "tanh", "prelu", "x*sigmoid(2*x)"])
@pytest.mark.parametrize("options", [{}, {"constants": "matched", "gamma": 1}, {"affine": False}])
def test_what_options_make(activation: str, options: dict[str, Any]) -> None:
    check_restored(NormPropLinear(4, 3, activation=activation, **options))
    geometry: Any = {"padding": "same", "groups": 2, "dilation": (2, 1), "padding_mode": "circular", **options}
    check_restored(NormPropConv2d(4, 6, (3, 1), activation=activation, **geometry))


def test_other_layers_are_not_looked_at() -> None:
    layer = nn.Linear(2, 2)
    layer.foreign = 1  # type: ignore[assignment]
    check_restored(layer)


def _set(name: str, value: object) -> Callable[[Any], None]:
    return lambda layer: layer.__dict__.__setitem__(name, value)


def _formula(text: str, name: str = "mine") -> Callable[[Any], None]:
    return _set("activation", Activation(name, text))


def _parameter(name: str, *shape: int, dtype: torch.dtype = torch.float32) -> Callable[[Any], None]:
    new = nn.Parameter(torch.ones(shape, dtype=dtype), requires_grad=False)
    return lambda layer: layer._parameters.__setitem__(name, new)


@pytest.mark.parametrize(
    ("tamper", "word"),
    [
        (_set("foreign", 1), "it has foreign"),
        (_set("\x1b[31m", 1), "it has"),
        (lambda layer: layer.__dict__.pop("c1"), "it lacks c1"),
        (lambda layer: layer.__dict__.pop("out_channels"), "it lacks out_channels"),
        (lambda layer: layer._parameters.pop("gamma"), "it lacks gamma"),
        (_parameter("other", 1), "it has other"),
        (lambda layer: layer._modules.__setitem__("0", nn.ReLU()), "it has 0"),
        (_set("out_channels", -6), "no whole numbers"),
        (_set("out_channels", 2**40), "no whole numbers"),
        (_set("groups", 0), "fit no such layer"),
        (_set("groups", True), "no whole numbers"),
        (_set("kernel_size", (3, 3, 3, 3)), "no whole numbers"),
        (_set("kernel_size", (3, (3,))), "no whole numbers"),
        (_set("stride", "2"), "no whole numbers"),
        (_set("padding_mode", 3.5), "no whole numbers"),
        (_set("padding_mode", "zeros "), "no whole numbers"),
        (_set("transposed", True), "fit no such layer"),
        (_set("_reversed_padding_repeated_twice", [10**9] * 4), "contradict"),
        (_set("kernel_size", (3, 2)), "weights are of another shape"),
        (_parameter("weight", 4, 6, 3, 3), "weights are of another shape"),
        (_parameter("gamma", 1), "gamma and beta"),
        (_parameter("slope", 6), "slope"),
        (_parameter("bias", 6), "weights are of another shape"),
        (_parameter("beta", 6, dtype=torch.int64), "hold no numbers"),
        (_set("constants", "other"), "constants"),
        (_set("constants", torch.ones(3)), "constants"),
        (_set("c1", 0.0), "c1"),
        (_set("c1", float("nan")), "c1"),
        (_set("c2", None), "c2"),
        (_set("_start", (1.0,)), "where it started"),
        (_set("_start", (1.0, "x")), "_start"),
        (_formula("x" * 20_000), "20000 characters"),
        (_formula("x" + " + x" * 400), "more than 1,000 characters"),
        (_formula("x" + "+x" * 300), "too large"),
        (_formula("max(max(max(x, x*x), x**3), x**4)"), "too large"),
        (_formula("abs(sin(1e6*x))"), "too large"),
        (_formula("__import__('os').system('true')"), "formula"),
        (_formula("x**"), "formula"),
        (_formula("y"), "unknown name"),
        (_formula("x**2", "relu"), "is called relu, and is another"),
        (_set("activation", Activation("snake", "x + sin(a*x)**2/a", {"a": 1e6})), "beyond 100"),
        (_formula("x**2", "\x1b[31mred"), "cannot be shown"),
    ],
)
def test_what_only_a_file_could_make(tamper: Callable[[Any], None], word: str) -> None:
    layer = NormPropConv2d(4, 6, 3)
    tamper(layer)
    with pytest.raises(ModelError, match="NormPropConv2d is not what propstats makes") as caught:
        check_restored(layer)
    text = str(caught.value)
    assert word in text
    assert text.isprintable()
    assert len(text) < 400


@pytest.mark.parametrize(
    ("layer", "tamper", "word"),
    [
        (ScaleGradient(1.0), _set("factor", -1.0), "factor"),
        (ScaleGradient(1.0), _set("factor", "1"), "factor"),
        (Affine(torch.ones(3), torch.ones(3), 2), _set("axes", 10**6), "axes"),
        (Affine(torch.ones(3), torch.ones(3), 2), _set("axes", 1.0), "axes"),
        (Affine(torch.ones(3), torch.ones(4), 2), lambda layer: None, "differ in shape"),
        (Affine(torch.ones(3), torch.ones(3), 2), lambda layer: layer._buffers.pop("scale"), "lacks scale"),
        (Affine(torch.ones(3, dtype=torch.int8), torch.ones(3), 2), lambda layer: None, "hold no numbers"),
        (ScalarBias(), lambda layer: layer._parameters.__setitem__("bias", None), "hold no numbers"),
        (Elementwise(Activation("f", "x")), _formula("abs(sin(x))"), "too large"),
        (
            propstats.nn.init.Residual(nn.ReLU()),
            lambda layer: layer._modules.__setitem__("branch", None),
            "part is missing",
        ),
    ],
)
def test_simple_layers(layer: nn.Module, tamper: Callable[[Any], None], word: str) -> None:
    tamper(layer)
    with pytest.raises(ModelError, match=word):
        check_restored(layer)
